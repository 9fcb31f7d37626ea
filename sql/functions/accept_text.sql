-- accept_text: Twilio has taken this text, by whatever way we learnt it.
--
-- The API's answer, a callback that carries our id, or a listing: each proves acceptance and none
-- needs the send token (protocol.md, 22). Also heals a text that was released as refused and turns
-- out to have been taken: it must not leave a second time, and counts. What is queued on its topic
-- meanwhile is judged afresh before it leaves.
--
-- arguments    p_id, message_queue.id; p_sid; p_status, Twilio's; p_details {segments, cost_usd}; p_now
-- result       true if this call recorded the acceptance, false if it was known already, the row is
--              not ours or another SID stands there
-- locks        the caller holds lock_member
-- idempotency  by state
create or replace function accept_text(
    p_id uuid, p_sid text, p_status text, p_details jsonb, p_now timestamptz
)
returns boolean
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_text message_queue%rowtype;
    v_conversation_id uuid;
    v_topic text;
begin
    select * into v_text from message_queue where id = p_id for update;
    if not found then
        return false;
    end if;
    if v_text.status = 'sent' and jsonb_strip_nulls(as_object(p_details)) <> '{}' then
        -- A callback was faster than the API's answer, which alone knows the details.
        update message_queue
        set message_data = as_object(message_data) || jsonb_strip_nulls(as_object(p_details))
        where id = p_id and exists (select 1 from messages as m where m.id = p_id and m.twilio_message_sid = p_sid);
    end if;
    if v_text.status <> 'queued' then
        return false;
    end if;
    select c.id into v_conversation_id
    from conversations as c
    where c.user_id = v_text.user_id
    order by
        (c.id = v_text.conversation_context_id) desc nulls last,
        (c.status = 'active') desc nulls last, c.created_at desc nulls last
    limit 1;
    insert into messages (
        id, conversation_id, user_id, role, content, direction, twilio_message_sid, status, created_at
    )
    values (
        p_id, v_conversation_id, v_text.user_id, 'assistant', v_text.final_message, 'outbound', p_sid,
        p_status, p_now
    )
    on conflict (id) do update
        set
            twilio_message_sid = excluded.twilio_message_sid,
            status = excluded.status,
            sent_at = coalesce(messages.sent_at, v_text.sent_at, p_now)
        where messages.twilio_message_sid is null;
    if not found then
        return false;
    end if;
    update message_queue
    set
        status = 'sent',
        delivered_message_id = id,
        sent_at = coalesce(sent_at, p_now),
        message_data = (as_object(message_data) - 'hold' - 'send') || jsonb_strip_nulls(as_object(p_details))
    where id = p_id;
    -- One that was given back, and had left after all, has been paid for all the same.
    if v_text.delivered_message_id is null and as_object(v_text.message_data) ? 'refunded_on' then
        update user_message_budget
        set messages_sent = coalesce(messages_sent, 0) + 1
        where user_id = v_text.user_id and date = as_time(v_text.message_data ->> 'refunded_on')::date;
        update message_queue
        set
            message_data = (message_data - 'refunded_on')
            || jsonb_build_object('counted', true, 'charged_on', message_data -> 'refunded_on')
        where id = p_id;
    end if;
    v_topic := nullif(as_object(v_text.message_data) ->> 'topic', '');
    -- Its successor came too late to replace it: it was made without knowing that this one arrived
    -- (protocol.md, 25).
    if v_topic is not null then
        update message_queue as q
        set requires_fresh_context = true
        where
            q.user_id = v_text.user_id
            and q.status = 'queued'
            and q.delivered_message_id is null
            and as_object(q.message_data) ->> 'topic' = v_topic
            and coalesce(as_object(q.message_data) ->> 'kind', 'proactive') not in ('reply', 'system')
            and coalesce(q.sequence_id, q.id) <> coalesce(v_text.sequence_id, v_text.id)
            and (queued_at(q), q.id) > (queued_at(v_text), v_text.id);
    end if;
    -- Leaving is what makes it a showing (behaviour.md, "Priority scores").
    update user_priorities
    set status = 'presented', presented_at = p_now
    where
        user_id = v_text.user_id
        and status is not distinct from 'active'
        and as_object(v_text.message_data) -> 'items' ? id::text;
    update conversations
    set
        messages_since_summary = least(coalesce(messages_since_summary, 0), 2147483646) + 1,
        last_message_at = p_now,
        updated_at = p_now
    where id = (select m.conversation_id from messages as m where m.id = p_id);
    return true;
end;
$$;
