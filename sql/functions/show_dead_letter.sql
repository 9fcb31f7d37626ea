-- show_dead_letter: one event or task that was given up, whole.
--
-- For operators (lib/console, which keeps people's words back).
--
-- arguments    p_id; p_now
-- result       {outcome: shown, kind: event | task, row} | {outcome: alive, kind} | {outcome: unknown}
-- locks        none
create or replace function show_dead_letter(p_id uuid, p_now timestamptz default null)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_event events%rowtype;
    v_task agent_tasks%rowtype;
begin
    select * into v_event from events where id = p_id;
    if found and as_object(v_event.metadata) ? 'dead' then
        return jsonb_build_object('outcome', 'shown', 'kind', 'event', 'row', to_jsonb(v_event), 'now', p_now);
    end if;
    -- A task may have the id of what it is about.
    select * into v_task from agent_tasks where id = p_id;
    if v_task.status = 'failed' then
        return jsonb_build_object('outcome', 'shown', 'kind', 'task', 'row', to_jsonb(v_task), 'now', p_now);
    end if;
    return case
        when v_event.id is not null then '{"outcome": "alive", "kind": "event"}'
        when v_task.id is not null then '{"outcome": "alive", "kind": "task"}'
        else '{"outcome": "unknown"}'
    end::jsonb;
end;
$$;
