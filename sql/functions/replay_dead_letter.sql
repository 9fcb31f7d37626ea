-- replay_dead_letter: open an event or task again that was given up, as if it had never been tried.
--
-- behaviour.md, "Events": `dead` is removed, `processed` false, attempt 0. A task is pending again and
-- due at once. Who did it and when is kept in metadata.replays, or result_json.replays.
--
-- arguments    p_id; p_by, who asks; p_now
-- result       {outcome: replayed, kind: event | task}
--              {outcome: alive, kind}: not a dead letter (done, open, or replayed already); no change
--              {outcome: unknown}
--              {outcome: retry}: a lock was not to be had in 2 s
-- locks        the member's users row, then the event or task
-- idempotency  by state: the second call finds it alive
create or replace function replay_dead_letter(p_id uuid, p_by text, p_now timestamptz default null)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_letter jsonb := show_dead_letter(p_id, p_now);
    v_user_id uuid;
    v_note jsonb;
    v_now timestamptz;
begin
    if v_letter ->> 'outcome' <> 'shown' then
        return v_letter;
    end if;
    v_user_id := case
        when v_letter ->> 'kind' = 'task' then v_letter #>> '{row,user_id}'
        when v_letter #>> '{row,aggregate_type}' = 'user' then v_letter #>> '{row,aggregate_id}'
    end;
    if v_user_id is not null then
        perform lock_member(v_user_id);
    end if;
    v_now := coalesce(p_now, clock_timestamp());
    v_note := jsonb_build_array(jsonb_build_object('at', v_now, 'by', p_by));
    if v_letter ->> 'kind' = 'event' then
        update events
        set
            processed = false,
            metadata = (
                metadata - array['dead', 'error', 'retry_at', 'published_at', 'published', 'lease', 'alone', 'dependency']
            ) || jsonb_build_object('attempt', 0, 'replays', coalesce(metadata -> 'replays', '[]') || v_note)
        where id = p_id and as_object(metadata) ? 'dead';
    else
        update agent_tasks
        set
            status = 'pending',
            scheduled_for = v_now,
            retry_count = 0,
            result_json = (as_object(result_json) - array['claim', 'dependency'])
            || jsonb_build_object('replays', coalesce(as_object(result_json) -> 'replays', '[]') || v_note)
        where id = p_id and status = 'failed';
    end if;
    return jsonb_build_object(
        'outcome', case when found then 'replayed' else 'alive' end, 'kind', v_letter -> 'kind'
    );
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
