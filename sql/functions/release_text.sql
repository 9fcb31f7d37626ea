-- release_text: a claimed text was surely not taken by Twilio; queue it again, refunding its charge.
--
-- It passes the gate again, and is judged afresh if the member has written meanwhile. A text that Twilio
-- keeps refusing for passing reasons fails after 24 h.
--
-- arguments    p_id; p_reason, a word or code without personal data; p_now
-- locks        the caller holds lock_member
create or replace function release_text(p_id uuid, p_reason text, p_now timestamptz)
returns void
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    c_limit constant interval := '24 h';
    v_text message_queue%rowtype;
    v_data jsonb;
    v_first timestamptz;
    v_until timestamptz;
begin
    select * into v_text from message_queue where id = p_id;
    v_data := as_object(v_text.message_data);
    if v_data ->> 'counted' = 'true' then
        update user_message_budget
        set messages_sent = greatest(coalesce(messages_sent, 0) - 1, 0)
        where user_id = v_text.user_id and date = as_time(v_data ->> 'charged_on')::date;
    end if;
    v_first := least(as_time(v_data ->> 'first_released_at'), p_now);
    v_until := p_now
    + least(interval '5 s' * power(2, least(coalesce(as_count(v_data ->> 'attempts'), 1) - 1, 10)), interval '5 min');
    update message_queue
    set
        delivered_message_id = null,
        sent_at = null,
        scheduled_for = v_until,
        message_data = (v_data - 'send' - 'counted' - 'charged_on' - 'segments' - 'cost_usd')
        || jsonb_build_object('error_code', p_reason, 'first_released_at', v_first)
        || jsonb_strip_nulls(jsonb_build_object('refunded_on', v_data -> 'charged_on'))
    where id = p_id;
    delete from messages where id = p_id and twilio_message_sid is null;
    -- The parts after it cannot leave before it: due, they would only stand in others' way.
    update message_queue
    set scheduled_for = v_until
    where
        sequence_id = v_text.sequence_id
        and user_id = v_text.user_id
        and status = 'queued'
        and delivered_message_id is null
        and scheduled_for < v_until;
    if v_first <= p_now - c_limit then
        perform fail_text(p_id, p_reason);
    end if;
    -- In flight it was spared when the member wrote; now it would leave as if they had not.
    if exists (
        select 1
        from messages as m
        where m.user_id = v_text.user_id and m.direction = 'inbound' and m.created_at > v_text.sent_at
    ) then
        perform refresh_texts(v_text.user_id);
    end if;
end;
$$;
