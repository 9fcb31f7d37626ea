-- prune: delete what has been finished for long: events, tasks and logs. Never the ledger, never a text.
--
-- Kept whatever their age: open events and tasks; who said STOP or START and what an operator did; the
-- steps of an onboarding that has not ended (turn_context reads them). A dead letter can still be
-- replayed and so has a time of its own. Rows without a time are kept.
--
-- arguments    p_events, p_dead_letters, p_tasks, p_logs: how old a row must be; less than 7 days counts
--              as 7 days, since results are replayed and webhooks delivered again meanwhile
--              p_limit ≤ 10,000 rows of each kind; p_now
-- result       {outcome: pruned, events, dead_letters, tasks, logs: rows deleted, more: is any left over}
-- locks        the rows it deletes, skipping locked ones
-- idempotency  by state
create or replace function prune(
    p_events interval default '180 days',
    p_dead_letters interval default '365 days',
    p_tasks interval default '180 days',
    p_logs interval default '365 days',
    p_limit integer default 1000,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    c_least constant interval := '7 days';
    c_kept constant text [] := array['user.opted_out', 'user.opted_in', 'user.verified'];
    c_onboarding constant text [] := array['user.onboarding_step.completed', 'user.onboarding_completed'];
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_limit integer := least(greatest(p_limit, 1), 10000);
    v_events integer;
    v_dead_letters integer;
    v_tasks integer;
    v_logs integer := 0;
    v_agent_type text;
    v_rows integer;
begin
    delete from events
    where id in (
        select e.id
        from events as e
        where
            e.processed
            and e.created_at < v_now - greatest(p_events, c_least)
            and not as_object(e.metadata) ? 'dead'
            and e.event_type <> all(c_kept)
            and not (
                e.event_type = any(c_onboarding)
                and exists (select 1 from users as u where u.id = e.aggregate_id and u.verified is not true)
            )
        order by e.created_at
        limit v_limit
        for update skip locked
    );
    get diagnostics v_events = row_count;
    delete from events
    where id in (
        select e.id
        from events as e
        where
            e.processed
            and e.created_at < v_now - greatest(p_dead_letters, c_least)
            and as_object(e.metadata) ? 'dead'
            -- It may have waited for years before we gave it up.
            and coalesce(as_time(e.metadata #>> '{dead,at}') < v_now - greatest(p_dead_letters, c_least), true)
        order by e.created_at
        limit v_limit
        for update skip locked
    );
    get diagnostics v_dead_letters = row_count;
    -- scheduled_for is indexed together with the status; a task may end long after it was due.
    delete from agent_tasks
    where id in (
        select t.id
        from agent_tasks as t
        where
            t.status in ('completed', 'failed')
            and t.scheduled_for < v_now - greatest(p_tasks, c_least)
            and greatest(t.completed_at, t.last_attempted_at, t.created_at) < v_now - greatest(p_tasks, c_least)
        limit v_limit
        for update skip locked
    );
    get diagnostics v_tasks = row_count;
    -- The index on the logs' time begins with the agent's type: one type after the other.
    loop
        select min(l.agent_type) into v_agent_type
        from agent_actions_log as l
        where l.agent_type <> 'operator' and (v_agent_type is null or l.agent_type > v_agent_type);
        exit when v_agent_type is null or v_logs >= v_limit;
        delete from agent_actions_log
        where id in (
            select l.id
            from agent_actions_log as l
            where l.agent_type = v_agent_type and l.created_at < v_now - greatest(p_logs, c_least)
            order by l.created_at
            limit v_limit - v_logs
            for update skip locked
        );
        get diagnostics v_rows = row_count;
        v_logs := v_logs + v_rows;
    end loop;
    return jsonb_build_object(
        'outcome', 'pruned', 'events', v_events, 'dead_letters', v_dead_letters, 'tasks', v_tasks,
        'logs', v_logs, 'more', v_limit in (v_events, v_dead_letters, v_tasks, v_logs)
    );
end;
$$;
