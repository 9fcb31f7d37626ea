-- Checks on the documented statuses.
--
-- A status that nobody documented must not appear, but a row that has one already must stay writable: a
-- check refuses every later update of such a row, even one that leaves its status alone. So where any row
-- breaks the rule the check is left out and the rows are reported. Added not valid, which locks only for a
-- moment; 131 validates, in a transaction of its own, while others go on writing. Null stays allowed.

do $$
declare
    v_rule record;
    v_rows bigint;
    v_statement text;
    v_statements text [] := '{}';
begin
    for v_rule in
        select r.table_name, r.statuses, r.table_name || '_status_documented' as check_name
        from (
            values
            ('conversations', '{active,archived}'::text []),
            ('agent_tasks', '{pending,processing,completed,failed}'),
            ('message_queue', '{queued,sent,superseded,failed}'),
            ('user_priorities', '{active,presented,actioned,expired}'),
            ('solution_workflows', '{in_progress,completed,cancelled}'),
            ('intro_opportunities', '{open,accepted,declined,completed}'),
            ('community_requests', '{open,responses_received,closed}'),
            ('community_responses', '{provided,rewarded,closed_loop}'),
            ('prospects', '{pending,converted,inactive}'),
            ('agent_instances', '{active,terminated}')
        ) as r (table_name, statuses)
        where not exists (
            select 1 from pg_constraint as c
            where c.conrelid = to_regclass(r.table_name) and c.conname = r.table_name || '_status_documented'
        )
    loop
        execute format('select count(*) from %I where status <> all ($1)', v_rule.table_name)
        into v_rows using v_rule.statuses;
        if v_rows > 0 then
            raise notice '%: % rows have a status other than %; they were left as they are and the check was '
                'not added.',
                v_rule.table_name, v_rows, array_to_string(v_rule.statuses, ', ');
        else
            v_statements := v_statements || format(
                'alter table %I add constraint %I check (status = any (%L::text [])) not valid',
                v_rule.table_name, v_rule.check_name, v_rule.statuses
            );
        end if;
    end loop;
    -- Only now, so that no lock is held while rows are counted.
    foreach v_statement in array v_statements loop
        execute v_statement;
    end loop;
end;
$$;
