-- record_inbound: an inbound text becomes a message and, if it wants an answer, an event.
--
-- Finds or makes the member and the active conversation. The message's id is derived from Twilio's
-- MessageSid by the caller, so the same SID, however often and however concurrently it comes, makes
-- one message and one event. Opt-out keywords take effect here, before anything else can be said; any
-- other text turns queued proactive ones into requires_fresh_context and releases holds (refresh_texts).
--
-- arguments    p_text {message_id, event_id, sid, phone, body, media [{url, content_type}],
--                      keyword: stop | start | yes | help | null, word: the keyword as written,
--                      answer: should an ordinary text or HELP get an answer,
--                      reply, reply_id: text that answers STOP, START, or HELP of somebody who has opted
--                      out, and the id of its queue row; twilio_confirms: Twilio answers these itself, but
--                      knows of no opt-out in plain words, so not the START after one}
--              p_now, tests and the local clock only
-- result       {outcome: recorded | duplicate | opted_out | opted_in | silent | retry,
--               user_id, event_id: the open event to publish, or null}
--              silent: recorded, wants no answer (an opted-out member's text, a keyword that Twilio answers)
-- locks        the member's users row
-- idempotency  primary keys messages.id, events.id
create or replace function record_inbound(p_text jsonb, p_now timestamptz default null)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_message_id uuid := p_text ->> 'message_id';
    v_event_id uuid := p_text ->> 'event_id';
    v_phone text := p_text ->> 'phone';
    v_keyword text := p_text ->> 'keyword';
    v_reply text := case when (p_text ->> 'twilio_confirms')::boolean is not true then p_text ->> 'reply' end;
    v_media jsonb := coalesce(nullif(p_text -> 'media', 'null'), '[]');
    v_user_id uuid;
    v_conversation_id uuid;
    v_was_opted_out boolean;
    v_outcome text := 'recorded';
    v_open boolean := false;
    v_now timestamptz;
begin
    loop
        select u.id into v_user_id from users as u where u.phone_number = v_phone;
        if v_user_id is null then
            -- A text of somebody who was erased, delivered once more, makes nobody new.
            if exists (select 1 from messages where id = v_message_id) then
                return jsonb_build_object('outcome', 'duplicate', 'user_id', null, 'event_id', null);
            end if;
            insert into users (phone_number, created_at, updated_at)
            values (v_phone, coalesce(p_now, clock_timestamp()), coalesce(p_now, clock_timestamp()))
            on conflict do nothing;
            select u.id into v_user_id from users as u where u.phone_number = v_phone;
        end if;
        perform lock_member(v_user_id);
        -- Whoever was erased while we waited is nobody with this number any more.
        exit when exists (select 1 from users as u where u.id = v_user_id and u.phone_number = v_phone);
    end loop;
    v_now := coalesce(p_now, clock_timestamp());

    -- By its SID, too: a text of before us has another id.
    if
        exists (select 1 from messages where id = v_message_id)
        or exists (select 1 from messages where twilio_message_sid = p_text ->> 'sid')
    then
        return jsonb_build_object(
            'outcome', 'duplicate', 'user_id', v_user_id,
            'event_id', (select e.id from events as e where e.id = v_event_id and e.processed is not true)
        );
    end if;

    v_was_opted_out := is_opted_out(v_user_id);
    select c.id into v_conversation_id
    from conversations as c
    where c.user_id = v_user_id and (c.status = 'active' or v_was_opted_out)
    order by (c.status = 'active') desc nulls last, c.created_at desc nulls last, c.id desc
    limit 1;
    if v_conversation_id is null then
        insert into conversations (user_id, phone_number, status, created_at, updated_at)
        values (v_user_id, v_phone, 'active', v_now, v_now)
        returning id into v_conversation_id;
    end if;

    insert into messages (
        id, conversation_id, user_id, role, content, direction, twilio_message_sid, status, created_at
    )
    values (
        v_message_id, v_conversation_id, v_user_id, 'user', p_text ->> 'body', 'inbound',
        p_text ->> 'sid', 'received', v_now
    );
    update conversations
    set
        messages_since_summary = least(coalesce(messages_since_summary, 0), 2147483646) + 1,
        last_message_at = v_now,
        updated_at = v_now
    where id = v_conversation_id;
    update users
    set
        last_active_at = v_now,
        updated_at = v_now
    where id = v_user_id;
    if v_keyword is distinct from 'stop' then
        perform refresh_texts(v_user_id);
    end if;

    if v_keyword = 'stop' then
        if opt_out(v_user_id, p_text ->> 'word', v_event_id, v_reply is not null, 'twilio_webhook', v_now) then
            v_outcome := 'opted_out';
            v_open := v_reply is not null;
        else
            v_outcome := 'silent';
            v_reply := null;
        end if;
    elsif v_was_opted_out and v_keyword in ('start', 'yes') then
        update conversations
        set
            status = 'active',
            updated_at = v_now
        where id = v_conversation_id;
        if
            'PLAIN WORDS' = (
                select e.payload ->> 'keyword'
                from events as e
                where
                    e.aggregate_id = v_user_id
                    and e.aggregate_type = 'user'
                    and e.event_type = 'user.opted_out'
                order by e.created_at desc, e.id desc
                limit 1
            )
        then
            v_reply := p_text ->> 'reply';
        end if;
        insert into events (
            id, event_type, aggregate_id, aggregate_type, payload, metadata, processed, created_at, created_by
        )
        values (
            v_event_id, 'user.opted_in', v_user_id, 'user',
            jsonb_build_object('keyword', p_text ->> 'word'), '{}', v_reply is null, v_now, 'twilio_webhook'
        );
        v_outcome := 'opted_in';
        v_open := v_reply is not null;
    elsif v_was_opted_out and v_keyword = 'help' then
        -- The one question of somebody who has opted out that is answered; by the orchestrator's next run.
        v_outcome := 'silent';
    elsif v_was_opted_out or (p_text ->> 'answer')::boolean is not true then
        v_outcome := 'silent';
        v_reply := null;
    else
        insert into events (
            id, event_type, aggregate_id, aggregate_type, payload, metadata, processed, created_at, created_by
        )
        values (
            v_event_id, 'user.message.received', v_user_id, 'user',
            jsonb_build_object('message_id', v_message_id, 'conversation_id', v_conversation_id)
            || case when jsonb_array_length(v_media) > 0 then jsonb_build_object('media', v_media) else '{}' end,
            '{}', false, v_now, 'twilio_webhook'
        );
        v_open := true;
        v_reply := null;
    end if;

    if v_reply is not null then
        insert into message_queue (
            id, user_id, agent_id, message_data, final_message, scheduled_for, priority,
            conversation_context_id, created_at
        )
        values (
            (p_text ->> 'reply_id')::uuid, v_user_id, 'system',
            '{"kind": "system", "confirmation": true}', v_reply, v_now, 'high', v_conversation_id, v_now
        );
    end if;
    return jsonb_build_object(
        'outcome', v_outcome, 'user_id', v_user_id,
        'event_id', case when v_open then v_event_id end
    );
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
