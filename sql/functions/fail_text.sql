-- fail_text: a queued text fails for good, and the parts of its sequence after it with it.
--
-- arguments    p_id, message_queue.id; p_code, error code or word
-- locks        the caller holds lock_member
create or replace function fail_text(p_id uuid, p_code text)
returns void
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_text message_queue%rowtype;
begin
    update message_queue
    set
        status = 'failed',
        message_data = (as_object(message_data) - 'hold') || jsonb_build_object('error_code', p_code)
    where id = p_id and status = 'queued'
    returning * into v_text;
    update message_queue
    set
        status = 'failed',
        message_data = (as_object(message_data) - 'hold') || '{"error_code": "sequence"}'
    where
        v_text.sequence_id is not null
        and sequence_id = v_text.sequence_id
        and user_id = v_text.user_id
        and status = 'queued'
        and delivered_message_id is null;
end;
$$;
