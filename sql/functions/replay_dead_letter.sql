-- replay_dead_letter: open an event or task again that was given up, as if it had never been tried.
--
-- behaviour.md, "Events": `dead` is removed, `processed` false, attempt 0. A task is pending again and
-- due at once, and keeps its error until it runs. Who did it, when, and what it had died of is added to
-- metadata.replays, or result_json.replays.
--
-- arguments    p_id; p_by, who asks; p_token, made by the caller; p_now
-- result       {outcome: replayed, kind: event | task}
--              {outcome: open | done, kind} | {outcome: unknown}: no dead letter, nothing changed
--              {outcome: retry}: a lock was not to be had in 2 s
-- locks        the member's users row (both, if an event and a task of that id have two), the event, the task
-- idempotency  by p_token: a repeated call answers replayed again
create or replace function replay_dead_letter(
    p_id uuid,
    p_by text,
    p_token uuid,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_event events%rowtype;
    v_task agent_tasks%rowtype;
    v_ours jsonb := jsonb_build_array(jsonb_build_object('token', p_token));
    v_letter jsonb;
    v_note jsonb;
    v_now timestamptz;
begin
    perform 1
    from users as u
    where
        u.id in (
            select e.aggregate_id from events as e where e.id = p_id and e.aggregate_type = 'user'
            union all
            select t.user_id from agent_tasks as t where t.id = p_id
        )
    order by u.id
    for no key update;
    select * into v_event from events where id = p_id for update;
    select * into v_task from agent_tasks where id = p_id for update;
    v_now := coalesce(p_now, clock_timestamp());
    if as_object(v_event.metadata) -> 'replays' @> v_ours then
        return '{"outcome": "replayed", "kind": "event"}';
    end if;
    if as_object(v_task.result_json) -> 'replays' @> v_ours then
        return '{"outcome": "replayed", "kind": "task"}';
    end if;
    v_letter := show_dead_letter(p_id);
    if v_letter ->> 'outcome' <> 'dead' then
        return v_letter;
    end if;
    v_note := jsonb_build_object('at', v_now, 'by', left(p_by, 100), 'token', p_token);
    if v_letter ->> 'kind' = 'event' then
        update events
        set
            processed = false,
            metadata = (
                metadata - array['dead', 'error', 'retry_at', 'published_at', 'published', 'lease', 'alone', 'dependency']
            ) || jsonb_build_object(
                'attempt', 0,
                'replays', coalesce(metadata -> 'replays', '[]')
                || (v_note || jsonb_build_object('error', metadata #> '{dead,error}'))
            )
        where id = p_id;
        perform pg_notify('events', p_id::text);
    else
        update agent_tasks
        set
            status = 'pending',
            scheduled_for = v_now,
            retry_count = 0,
            completed_at = null,
            result_json = (as_object(result_json) - array['claim', 'dependency']) || jsonb_build_object(
                'replays', coalesce(as_object(result_json) -> 'replays', '[]')
                || (v_note || jsonb_build_object('error', error_log))
            )
        where id = p_id;
    end if;
    return jsonb_build_object('outcome', 'replayed', 'kind', v_letter -> 'kind');
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
