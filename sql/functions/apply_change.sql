-- apply_change: apply one change of a unit of work.
--
-- arguments    p_change, one of
--                {op: insert, table, row {id, …}}            an existing row with this id is left alone;
--                   in credit_events, so is the same movement under its idempotency_key
--                {op: update, table, id, set {…}, expect {…}}  only if the row still has these values
--                {op: add,    table, id, add {column: n}}    integers; null counts as 0
--                {op: append, table, id, append {column: […]}}  arrays or jsonb lists; null counts as empty
--              p_now
-- result       true if applied, false on conflict (the row is not as expected, or a unique value is taken)
--              raises (SQLSTATE YP001 or the server's own) when the change itself is wrong, YP003 when
--              it spends more credits than the member has
-- locks        the changed row; the caller holds the members' locks
create or replace function apply_change(p_change jsonb, p_now timestamptz)
returns boolean
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_op text := p_change ->> 'op';
    v_table text := p_change ->> 'table';
    v_id uuid := coalesce(p_change ->> 'id', p_change #>> '{row,id}');
    v_values jsonb := p_change -> case v_op when 'insert' then 'row' when 'update' then 'set' else v_op end;
    v_columns text [];
    v_expected text [] := '{}';
    v_wrong name;
    v_rows integer;
begin
    if v_op is null or v_op not in ('insert', 'update', 'add', 'append') then
        raise exception 'unknown operation %', coalesce(v_op, '(none)') using errcode = 'YP001';
    end if;
    if v_id is null then
        raise exception 'a change of % names no row', v_table using errcode = 'YP001';
    end if;
    if v_op = 'insert' then
        -- The clock of the commit is the time of the row, also under the local clock.
        v_values := jsonb_build_object('created_at', p_now) || v_values;
        if v_table in ('message_queue', 'agent_tasks') then
            v_values := jsonb_build_object('scheduled_for', p_now) || v_values;
        end if;
        if
            v_table = 'message_queue'
            and is_opted_out((v_values ->> 'user_id')::uuid)
            and as_object(v_values -> 'message_data') ->> 'confirmation' is distinct from 'true'
        then
            v_values := v_values || '{"status": "superseded", "superseded_reason": "opted out"}';
        end if;
    end if;
    v_columns := checked_columns(v_table, v_values);
    -- The ledger alone moves the balances, or they would not be its sum.
    if
        (v_table = 'users' and 'credit_balance' = any(v_columns))
        or (v_table = 'innovators' and 'credits_balance' = any(v_columns))
    then
        raise exception 'the balance in % follows the ledger: insert into credit_events instead', v_table
            using errcode = 'YP001';
    end if;
    if v_table = 'credit_events' and v_op <> 'insert' then
        raise exception 'credit_events is append-only: insert a movement of the opposite amount instead'
            using errcode = 'YP001';
    end if;

    if v_op = 'insert' then
        execute format(
            'insert into %1$I (%2$s) select %2$s from jsonb_populate_record(null::%1$I, $1) on conflict do nothing',
            v_table, (select string_agg(format('%I', c), ', ') from unnest(v_columns) as c)
        ) using v_values;
        get diagnostics v_rows = row_count;
        if v_rows = 0 and v_table = 'credit_events' then
            select count(*) into v_rows
            from credit_events as e
            inner join
                jsonb_populate_record(null::credit_events, v_values) as n on e.idempotency_key = n.idempotency_key
            where
                (e.user_id, e.amount, e.event_type, e.reference_type, e.reference_id)
                = (n.user_id, n.amount, n.event_type, n.reference_type, n.reference_id);
            if v_rows = 0 then
                raise exception 'credit_events: this idempotency key (or id) belongs to another movement'
                    using errcode = 'YP001';
            end if;
        elsif v_rows = 0 then
            execute format('select count(*) from %I where id = $1', v_table) into v_rows using v_id;
        end if;
        return v_rows = 1;
    end if;

    if v_op = 'update' then
        if jsonb_typeof(p_change -> 'expect') is distinct from 'object' then
            raise exception 'an update of % states no expectation', v_table using errcode = 'YP001';
        end if;
        if p_change -> 'expect' <> '{}' then
            v_expected := checked_columns(v_table, p_change -> 'expect');
        end if;
        execute format(
            'update %1$I as t set %2$s'
            || ' from jsonb_populate_record(null::%1$I, $1) as n, jsonb_populate_record(null::%1$I, $2) as o'
            || ' where t.id = $3 %3$s',
            v_table,
            (select string_agg(format('%1$I = n.%1$I', c), ', ') from unnest(v_columns) as c),
            (select string_agg(format('and t.%1$I is not distinct from o.%1$I', c), ' ') from unnest(v_expected) as c)
        ) using v_values, p_change -> 'expect', v_id;
        get diagnostics v_rows = row_count;
        return v_rows = 1;
    end if;

    -- With null for a number or a list the whole counter or log would be lost.
    select a.attname into v_wrong
    from pg_attribute as a
    where
        a.attrelid = to_regclass('public.' || v_table)
        and a.attname = any(v_columns)
        and not case v_op
            when 'add' then jsonb_typeof(v_values -> a.attname) = 'number' and a.atttypid = 'integer'::regtype
            else
                jsonb_typeof(v_values -> a.attname) = 'array'
                and a.atttypid in ('jsonb'::regtype, 'text[]'::regtype, 'uuid[]'::regtype)
        end
    order by a.attname;
    if found then
        raise exception '%.% takes an % of %', v_table, v_wrong, v_op,
            case v_op when 'add' then 'an integer to an integer' else 'a list to a list' end
            using errcode = 'YP001';
    end if;
    if v_op = 'add' then
        execute format(
            'update %1$I as t set %2$s from jsonb_populate_record(null::%1$I, $1) as n where t.id = $2',
            v_table,
            (select string_agg(format('%1$I = coalesce(t.%1$I, 0) + n.%1$I', c), ', ') from unnest(v_columns) as c)
        ) using v_values, v_id;
    else
        execute format(
            'update %1$I as t set %2$s from jsonb_populate_record(null::%1$I, $1) as n where t.id = $2',
            v_table,
            (
                select string_agg(
                    case
                        when a.atttypid = 'jsonb'::regtype
                            then format(
                                -- What is there and no list becomes its first element.
                                '%1$I = case when coalesce(jsonb_typeof(t.%1$I), ''null'') = ''null'' then ''[]'''
                                || ' else t.%1$I end || n.%1$I', c
                            )
                        else format('%1$I = coalesce(t.%1$I, ''{}'') || n.%1$I', c)
                    end, ', '
                )
                from unnest(v_columns) as c
                inner join pg_attribute as a on a.attrelid = to_regclass('public.' || v_table) and a.attname = c
            )
        ) using v_values, v_id;
    end if;
    get diagnostics v_rows = row_count;
    return v_rows = 1;
end;
$$;
