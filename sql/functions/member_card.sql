-- member_card: who a member is and where they stand, for an operator.
--
-- arguments    p_member
-- result       {id, phone_number, first_name, last_name, company, title, email, email_verified, verified,
--              poc_agent_type, status_level, opted_out, referrer: a member's name or the one they dropped,
--              completed_at: when their onboarding was complete, or null,
--              missing: what it wants, while it is not}
-- locks        none
create or replace function member_card(p_member users)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_completed_at timestamptz;
begin
    select min(e.created_at) into v_completed_at
    from events as e
    where
        e.aggregate_id = p_member.id
        and e.aggregate_type = 'user'
        and e.event_type = 'user.onboarding_completed';
    return jsonb_build_object(
        'id', p_member.id,
        'phone_number', p_member.phone_number,
        'first_name', p_member.first_name,
        'last_name', p_member.last_name,
        'company', p_member.company,
        'title', p_member.title,
        'email', p_member.email,
        'email_verified', p_member.email_verified is true,
        'verified', p_member.verified is true,
        'poc_agent_type', p_member.poc_agent_type,
        'status_level', p_member.status_level,
        'opted_out', is_opted_out(p_member.id),
        'referrer', coalesce(
            (select btrim(concat_ws(' ', r.first_name, r.last_name)) from users as r where r.id = p_member.referred_by),
            p_member.name_dropped
        ),
        'completed_at', v_completed_at,
        'missing', case when v_completed_at is null then to_jsonb(array_remove(array[
            case when p_member.first_name is null or p_member.last_name is null then 'name' end,
            case when p_member.company is null or p_member.title is null then 'company and title' end,
            case when p_member.email is null then 'e-mail' end,
            case when p_member.email_verified is not true then 'proof of the e-mail' end
        ], null)) else '[]' end
    );
end;
$$;
