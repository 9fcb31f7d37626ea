-- record_delivery: a delivery receipt of Twilio's.
--
-- Receipts come in any order, more than once, and before the API's own answer is recorded: the
-- callback URL carries our message's id, so a receipt proves acceptance. One for a SID that nobody
-- knows yet is kept as an event and applied by record_sends.
--
-- arguments    p_receipt {message_id | null, sid, status, error_code | null, event_id, receipt_key}
--              p_now
-- result       {outcome: moved | unmoved | pending | retry}
--              pending: no message has this SID yet
-- locks        the member's users row, when the receipt proves acceptance or that they have unsubscribed
-- idempotency  by status_rank; the audit event's id is made of SID and status
create or replace function record_delivery(p_receipt jsonb, p_now timestamptz default null)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_message_id uuid := p_receipt ->> 'message_id';
    v_sid text := p_receipt ->> 'sid';
    v_user_id uuid;
    v_known text;
    v_moved boolean := false;
    v_unsubscribed boolean;
    v_now timestamptz;
begin
    if v_message_id is not null then
        select q.user_id into v_user_id from message_queue as q where q.id = v_message_id;
        select m.twilio_message_sid into v_known from messages as m where m.id = v_message_id;
        if v_user_id is not null and v_known is null then
            perform lock_member(v_user_id);
            v_now := coalesce(p_now, clock_timestamp());
            perform accept_text(v_message_id, v_sid, 'accepted', '{}', v_now);
            select m.twilio_message_sid into v_known from messages as m where m.id = v_message_id;
        end if;
    end if;
    if v_known is distinct from v_sid then
        -- Rows from before the unique index may share a SID: always the same one of them.
        select m.id, m.user_id into v_message_id, v_user_id
        from messages as m
        where m.twilio_message_sid = v_sid
        order by m.id
        limit 1;
    end if;
    if v_message_id is not null and v_user_id is not null then
        -- A Messaging Service takes the text and finds out later that the number has unsubscribed.
        v_unsubscribed := p_receipt ->> 'error_code' = '21610' and lock_member(v_user_id);
        v_now := coalesce(p_now, clock_timestamp());
        v_moved := move_status(v_message_id, p_receipt ->> 'status', p_receipt ->> 'error_code', v_now);
        if v_moved and v_unsubscribed then
            perform opt_out(
                v_user_id, '21610', md5((p_receipt ->> 'event_id') || ':opted_out')::uuid, false, 'twilio_status', v_now
            );
        end if;
    end if;
    v_now := coalesce(v_now, p_now, clock_timestamp());
    insert into events (
        id, event_type, aggregate_id, aggregate_type, payload, metadata, processed, created_at, created_by
    )
    values (
        (p_receipt ->> 'event_id')::uuid, 'message.delivery_updated',
        case when v_user_id is null or v_message_id is null then (p_receipt ->> 'receipt_key')::uuid else v_user_id end,
        case when v_user_id is null or v_message_id is null then 'receipt' else 'user' end,
        jsonb_build_object(
            'sid', v_sid, 'status', p_receipt ->> 'status', 'error_code', p_receipt ->> 'error_code'
        ),
        '{}', true, v_now, 'twilio_status'
    )
    on conflict (id) do nothing;
    return jsonb_build_object(
        'outcome', case
            when v_user_id is null or v_message_id is null then 'pending'
            when v_moved then 'moved'
            else 'unmoved'
        end
    );
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
