-- approve_member: an operator takes somebody on, or takes them back, or gives them another agent.
--
-- Sets users.verified and records user.verified, whose handler hands the member over and welcomes them
-- (lib/agents/hand_over.py). Also for somebody whose onboarding is not complete: the operator decides, and
-- is told what is missing. Ends a rejection or suspension; the status_level from before it comes back.
--
-- arguments    p_phone; p_by, who approves; p_token, made by the caller, and p_event_id, the event's id
--              p_agent_type, concierge | innovator, or null: the one they have, else the concierge. An
--              innovator gets a row of innovators if there is none
--              p_now
-- result       {outcome: approved, member: see member_card, before: their status_level until now}
--              {outcome: already | no_company, member}   nothing was changed; an innovator needs a company
--              {outcome: unknown}   nobody has this number
--              {outcome: retry}
-- locks        the member's users row
-- idempotency  by p_token, and by state
create or replace function approve_member(
    p_phone text,
    p_by text,
    p_token uuid,
    p_event_id uuid,
    p_agent_type text default null,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    c_blocked constant text [] := array['rejected', 'suspended'];
    v_member users%rowtype;
    v_is_blocked boolean;
    v_agent_type text;
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
    v_is_blocked := coalesce(v_member.status_level = any(c_blocked), false);
    v_agent_type := coalesce(
        p_agent_type, case when v_member.poc_agent_type in ('concierge', 'innovator') then v_member.poc_agent_type end,
        'concierge'
    );
    if
        v_member.verified and not v_is_blocked
        and v_agent_type = coalesce(v_member.poc_agent_type, 'concierge')
        and (p_agent_type is distinct from 'innovator' or v_member.innovator)
    then
        return jsonb_build_object('outcome', 'already', 'member', member_card(v_member));
    end if;
    if v_agent_type = 'innovator' then
        if
            btrim(coalesce(v_member.company, '')) = ''
            and not exists (select 1 from innovators as i where i.user_id = v_member.id)
        then
            return jsonb_build_object('outcome', 'no_company', 'member', member_card(v_member));
        end if;
        insert into innovators (user_id, company_name, active, created_at)
        values (v_member.id, coalesce(v_member.company, ''), true, v_now)
        on conflict (user_id) do update set active = true;
    elsif p_agent_type is not null then
        update innovators set active = false where user_id = v_member.id;
    end if;
    update users
    set
        verified = true,
        innovator = case when p_agent_type is null then innovator else p_agent_type = 'innovator' end,
        status_level = case
            when v_is_blocked then coalesce((
                select l.input_data ->> 'status_level'
                from agent_actions_log as l
                where
                    l.user_id = v_member.id
                    and l.agent_type = 'operator'
                    and l.action_type in ('reject', 'suspend')
                    and l.input_data ->> 'status_level' <> all(c_blocked)
                order by l.created_at desc
                limit 1
            ), 'member')
            else status_level
        end,
        updated_at = v_now
    where id = v_member.id;
    insert into events (
        id, event_type, aggregate_id, aggregate_type, payload, metadata, processed, created_at, created_by
    )
    values (
        p_event_id, 'user.verified', v_member.id, 'user',
        jsonb_build_object('approved_by', left(p_by, 100), 'poc_agent_type', v_agent_type),
        '{}', false, v_now, 'operator'
    );
    perform log_operator(
        p_token, 'approve', v_member.id, p_by, jsonb_build_object('status_level', v_member.status_level),
        jsonb_build_object('outcome', 'approved', 'before', v_member.status_level), v_now
    );
    return operator_result(p_token);
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
