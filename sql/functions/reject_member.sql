-- reject_member: an operator does not take somebody on.
--
-- They stay unverified, are told once, and are not written to first any more (gate_text). Kept in
-- users.status_level; approve_member ends it.
--
-- arguments    p_phone; p_by, who rejects; p_token, made by the caller; p_event_id and p_text: what they
--              are told, and the id of the event that has it sent; p_now
-- result       {outcome: rejected, member: see member_card, send_at: when they are told, null: at once}
--              {outcome: already | suspended | verified, member}   nothing was changed
--              {outcome: unknown}   nobody has this number
--              {outcome: retry}
-- locks        the member's users row
-- idempotency  by p_token, and by state
create or replace function reject_member(
    p_phone text,
    p_by text,
    p_token uuid,
    p_event_id uuid,
    p_text text,
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
    v_send_at timestamptz;
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
    if v_member.verified or v_member.status_level in ('rejected', 'suspended') then
        return jsonb_build_object(
            'outcome', case
                when v_member.verified then 'verified'
                when v_member.status_level = 'rejected' then 'already'
                else 'suspended'
            end,
            'member', member_card(v_member)
        );
    end if;
    update users
    set
        status_level = 'rejected',
        updated_at = v_now
    where id = v_member.id;
    if not is_opted_out(v_member.id) then
        v_send_at := request_text(v_member, p_event_id, p_text, false, v_now);
    end if;
    perform log_operator(
        p_token, 'reject', v_member.id, p_by, jsonb_build_object('status_level', v_member.status_level),
        jsonb_build_object('outcome', 'rejected', 'send_at', v_send_at), v_now
    );
    return operator_result(p_token);
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
