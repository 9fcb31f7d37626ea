-- is_prospect: is this member the person whom somebody has uploaded?
--
-- arguments    p_prospect; p_member
-- result       true if they became this member, or have the same e-mail, number or LinkedIn
-- locks        none
create or replace function is_prospect(p_prospect prospects, p_member users)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = public, pg_temp
as $$
begin
    return
        coalesce(p_prospect.converted_to_user_id = p_member.id, false)
        or coalesce(lower(btrim(p_prospect.email)) = lower(p_member.email), false)
        or coalesce(
            right(regexp_replace(p_prospect.phone_number, '\D', '', 'g'), 10)
            = right(regexp_replace(p_member.phone_number, '\D', '', 'g'), 10),
            false
        )
        or coalesce(linkedin_name(p_prospect.linkedin_url) = linkedin_name(p_member.linkedin_url), false);
end;
$$;
