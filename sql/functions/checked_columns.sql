-- checked_columns: the columns that a change names, after every check that needs no data.
--
-- jsonb_populate_record alone drops misspelt keys and reads a time without offset in the session's
-- zone; both are refused here instead (protocol.md, 11).
--
-- arguments    p_table, name of a documented table; p_values, {column: value}
-- result       column names, sorted; raises (SQLSTATE YP001) with one sentence naming what is wrong
-- locks        none
create or replace function checked_columns(p_table text, p_values jsonb)
returns text[]
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_key text;
    v_value jsonb;
    v_type text;
    v_columns text [] := '{}';
begin
    if
        p_table is null
        or p_table not in (
            'users', 'conversations', 'messages', 'events', 'agent_tasks', 'message_queue',
            'user_message_budget', 'user_priorities', 'solution_workflows', 'intro_opportunities',
            'community_requests', 'community_responses', 'credit_events', 'innovators', 'prospects',
            'linkedin_research_prospects', 'agent_instances', 'agent_actions_log'
        )
    then
        raise exception 'unknown table %', coalesce(p_table, '(none)') using errcode = 'YP001';
    end if;
    if jsonb_typeof(p_values) is distinct from 'object' or p_values = '{}' then
        raise exception 'a change of % names no columns', p_table using errcode = 'YP001';
    end if;
    for v_key, v_value in
        select v.key, v.value from jsonb_each(p_values) as v order by v.key
    loop
        select t.typname into v_type
        from pg_attribute as a
        inner join pg_type as t on t.oid = a.atttypid
        where
            a.attrelid = to_regclass('public.' || p_table)
            and a.attname = v_key
            and a.attnum > 0
            and not a.attisdropped;
        if v_type is null then
            raise exception 'unknown column %.%', p_table, v_key using errcode = 'YP001';
        end if;
        if
            v_type = 'timestamptz'
            and jsonb_typeof(v_value) <> 'null'
            and v_value #>> '{}' !~ '^\d{4}-\d\d-\d\d[T ].*(Z|[+-]\d\d(:?\d\d)?)$'
        then
            raise exception '%.% needs a time with its offset', p_table, v_key using errcode = 'YP001';
        end if;
        if
            jsonb_typeof(v_value) not in ('null', case when v_type like '\_%' then 'array' else jsonb_typeof(v_value) end)
            or (v_type not like '\_%' and v_type <> 'jsonb' and jsonb_typeof(v_value) in ('object', 'array'))
            -- A list in a list would be a second dimension, to which nothing can be appended any more.
            or (
                v_type like '\_%'
                and jsonb_path_exists(
                    v_value, 'strict $[*] ? (@.type() == "array" || @.type() == "object")', '{}', true
                )
            )
        then
            raise exception '%.% does not take a JSON %', p_table, v_key, jsonb_typeof(v_value)
                using errcode = 'YP001';
        end if;
        v_columns := v_columns || v_key;
    end loop;
    return v_columns;
end;
$$;
