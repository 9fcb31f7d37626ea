-- say_to_member: a text in an operator's words, through the queue.
--
-- To anybody whose number is known and who has not opted out, also to who is rejected or suspended.
--
-- arguments    p_phone; p_by, whose words these are; p_token, made by the caller
--              p_event_id, p_text, p_urgent: see request_text; p_now
-- result       {outcome: said, member: see member_card, send_at: when it may leave, null: at once}
--              {outcome: opted_out, member}   nothing was changed
--              {outcome: unknown}   nobody has this number
--              {outcome: retry}
-- locks        the member's users row
-- idempotency  by p_token
create or replace function say_to_member(
    p_phone text,
    p_by text,
    p_token uuid,
    p_event_id uuid,
    p_text text,
    p_urgent boolean default false,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_member users%rowtype;
    v_result jsonb;
    v_now timestamptz;
begin
    v_member := lock_number(p_phone);
    if v_member.id is null then
        return '{"outcome": "unknown"}';
    end if;
    v_result := operator_result(p_token);
    if v_result is not null then
        return v_result;
    end if;
    v_now := coalesce(p_now, clock_timestamp());
    if is_opted_out(v_member.id) then
        return jsonb_build_object('outcome', 'opted_out', 'member', member_card(v_member));
    end if;
    perform log_operator(
        p_token, 'say', v_member.id, p_by,
        jsonb_build_object('event_id', p_event_id, 'urgent', p_urgent, 'chars', length(p_text)),
        jsonb_build_object(
            'outcome', 'said',
            'send_at', request_text(v_member, p_event_id, p_text, p_urgent, v_now)
        ),
        v_now
    );
    return operator_result(p_token);
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
