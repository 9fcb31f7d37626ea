-- release_holds: let a member's held texts pass the gate again, each due when it was due first.
--
-- After an inbound text (record_inbound) and after a change of what holds were decided by: the member's
-- zone, quiet hours, number or budget (schema/031_release_holds.sql; protocol.md, 24). What still may not
-- leave is held again by the gate, with the rule that holds it now.
--
-- arguments    p_user_id
-- locks        the caller holds lock_member
-- idempotency  by state
create or replace function release_holds(p_user_id uuid)
returns void
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    update message_queue
    set
        -- A hold only ever moves a text back, so letting go of it never does.
        scheduled_for = least(as_time(message_data #>> '{hold,due}'), scheduled_for),
        message_data = message_data - 'hold'
    where
        user_id = p_user_id
        and status = 'queued'
        and delivered_message_id is null
        and as_object(message_data) ? 'hold';
end;
$$;
