-- put_off_text: a text that cannot be claimed waits ten minutes, says why, and fails after a day.
--
-- arguments    p_user_id; p_id, message_queue.id, or null when no text of the member's can be told to be
--              the broken one: then whatever of theirs is due; p_code, the error's SQLSTATE; p_now
-- locks        the caller holds lock_member, or is skipping the member
create or replace function put_off_text(p_user_id uuid, p_id uuid, p_code text, p_now timestamptz)
returns void
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    -- As one that Twilio keeps refusing (release_text).
    c_limit constant interval := '24 h';
begin
    update message_queue
    set
        status = case
            when as_time(as_object(message_data) ->> 'first_released_at') <= p_now - c_limit then 'failed'
            else status
        end,
        scheduled_for = p_now + interval '10 min',
        message_data = as_object(message_data) || jsonb_build_object(
            'error_code', p_code,
            'first_released_at', least(as_time(as_object(message_data) ->> 'first_released_at'), p_now)
        )
    where
        user_id = p_user_id
        and id = coalesce(p_id, id)
        and status = 'queued'
        and delivered_message_id is null
        and scheduled_for <= p_now;
end;
$$;
