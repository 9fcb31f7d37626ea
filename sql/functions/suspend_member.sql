-- suspend_member: a member is not served any more, until an operator approves them again.
--
-- Kept in users.status_level, and users.verified becomes false, so that nobody meets them as a member.
-- Their agents end, and what was to be said to them is not said. They are not told.
--
-- arguments    p_phone; p_by, who suspends; p_token, made by the caller; p_now
-- result       {outcome: suspended, member: see member_card, dropped: how many queued texts}
--              {outcome: already | unverified, member}   nothing was changed
--              {outcome: unknown}   nobody has this number
--              {outcome: retry}
-- locks        the member's users row
-- idempotency  by p_token, and by state
create or replace function suspend_member(
    p_phone text, p_by text, p_token uuid, p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_member users%rowtype;
    v_dropped integer;
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
    if v_member.verified is not true then
        return jsonb_build_object(
            'outcome', case when v_member.status_level = 'suspended' then 'already' else 'unverified' end,
            'member', member_card(v_member)
        );
    end if;
    update users
    set
        verified = false,
        status_level = 'suspended',
        updated_at = v_now
    where id = v_member.id;
    update agent_instances
    set
        status = 'terminated',
        terminated_at = v_now
    where user_id = v_member.id and status = 'active';
    update message_queue
    set
        status = 'superseded',
        superseded_reason = 'suspended',
        message_data = as_object(message_data) - 'hold' - 'render'
    where
        user_id = v_member.id
        and status = 'queued'
        and delivered_message_id is null
        and as_object(message_data) ->> 'confirmation' is distinct from 'true';
    get diagnostics v_dropped = row_count;
    perform log_operator(
        p_token, 'suspend', v_member.id, p_by, jsonb_build_object('status_level', v_member.status_level),
        jsonb_build_object('outcome', 'suspended', 'dropped', v_dropped), v_now
    );
    return operator_result(p_token);
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
