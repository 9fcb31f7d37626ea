-- drop_text: supersede a queued text, and what is left of its sequence, with a reason and no successor.
--
-- arguments    p_text, a queued row nobody has in flight; p_reason, at most 100 characters
-- locks        the caller holds lock_member
-- idempotency  by state
create or replace function drop_text(p_text message_queue, p_reason text)
returns void
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    update message_queue
    set
        status = 'superseded',
        superseded_reason = left(p_reason, 100),
        message_data = as_object(message_data) - 'hold' - 'render'
    where
        user_id = p_text.user_id
        and status = 'queued'
        and delivered_message_id is null
        and coalesce(sequence_id, id) = coalesce(p_text.sequence_id, p_text.id);
end;
$$;
