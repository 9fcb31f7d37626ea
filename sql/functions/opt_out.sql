-- opt_out: stop texting a member, at once.
--
-- Archives the conversation, supersedes everything queued that is not already in flight, and leaves
-- the audit event user.opted_out. Called for STOP (record_inbound) and for Twilio's error 21610
-- (record_sends), which means the same.
--
-- arguments    p_user_id; p_keyword, the word that did it; p_event_id, id of the audit event;
--              p_wake, true to store the event as open so that event_processor sends a
--              confirmation queued in the same transaction; p_created_by; p_now
-- result       false (and no change) if the member is already opted out
-- locks        the caller holds lock_member
-- idempotency  by state, and by p_event_id
create or replace function opt_out(
    p_user_id uuid,
    p_keyword text,
    p_event_id uuid,
    p_wake boolean,
    p_created_by text,
    p_now timestamptz
)
returns boolean
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    if is_opted_out(p_user_id) then
        return false;
    end if;
    update conversations
    set
        status = 'archived',
        updated_at = p_now
    where
        user_id = p_user_id
        and (
            status = 'active'
            -- Opted out is whose newest one is archived, and there may be none that is active.
            or id = (
                select c.id
                from conversations as c
                where c.user_id = p_user_id
                order by c.created_at desc nulls last, c.id desc
                limit 1
            )
        );
    update message_queue
    set
        status = 'superseded',
        superseded_reason = 'opted out'
    where user_id = p_user_id and status = 'queued' and delivered_message_id is null;
    -- A confirmation in flight, of START, may be given back: it is none of this STOP.
    update message_queue
    set message_data = as_object(message_data) - 'confirmation'
    where user_id = p_user_id and status = 'queued' and as_object(message_data) ? 'confirmation';
    insert into events (
        id, event_type, aggregate_id, aggregate_type, payload, metadata, processed, created_at, created_by
    )
    values (
        p_event_id, 'user.opted_out', p_user_id, 'user', jsonb_build_object('keyword', p_keyword),
        '{}', not p_wake, p_now, p_created_by
    )
    on conflict (id) do nothing;
    return true;
end;
$$;
