-- show_dead_letter: one event or task that was given up, whole.
--
-- For operators (lib/console, which keeps people's words back).
--
-- arguments    p_id; p_now
-- result       {outcome: dead, kind: event | task, row} | {outcome: open | done, kind} | {outcome: unknown}
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
    if found and event_state(v_event) = 'dead' then
        return jsonb_build_object('outcome', 'dead', 'kind', 'event', 'row', to_jsonb(v_event) || jsonb_build_object(
            'payload', as_readable(v_event.payload), 'metadata', as_readable(v_event.metadata)
        ));
    end if;
    -- A task may have the id of what it is about.
    select * into v_task from agent_tasks where id = p_id;
    if v_task.status = 'failed' then
        return jsonb_build_object('outcome', 'dead', 'kind', 'task', 'row', to_jsonb(v_task) || jsonb_build_object(
            'context_json', as_readable(v_task.context_json), 'result_json', as_readable(v_task.result_json)
        ));
    end if;
    return case
        when v_event.id is not null
            then jsonb_build_object('outcome', event_state(v_event), 'kind', 'event')
        when v_task.id is not null
            then jsonb_build_object(
                'outcome', case when v_task.status = 'completed' then 'done' else 'open' end, 'kind', 'task'
            )
        else '{"outcome": "unknown"}'
    end;
end;
$$;
