-- Row-level security on every documented table, and no policy: without bypassing it, no row is visible.
--
-- Only service_role bypasses it. A policy that somebody else made is reported, not dropped; the grants
-- in 002 keep the publishable roles out either way.

do $$
declare
    v_table name;
    v_policies bigint;
begin
    foreach v_table in array array[
        'users', 'conversations', 'messages', 'events', 'agent_tasks', 'message_queue',
        'user_message_budget', 'user_priorities', 'solution_workflows', 'intro_opportunities',
        'community_requests', 'community_responses', 'credit_events', 'innovators', 'prospects',
        'linkedin_research_prospects', 'agent_instances', 'agent_actions_log'
    ]::name [] loop
        -- Asked first, because the statement locks out readers even when it changes nothing.
        if exists (select 1 from pg_class where oid = v_table::text::regclass and not relrowsecurity) then
            execute format('alter table %I enable row level security', v_table);
        end if;
        select count(*) into v_policies from pg_policies where schemaname = 'public' and tablename = v_table;
        if v_policies > 0 then
            raise notice '%: % row-level security policies exist that are not ours; they were left and, '
                'without grants, admit no publishable role.', v_table, v_policies;
        end if;
    end loop;
end;
$$;
