-- is_about: would this introduction be one of this member: of their company, or as the person to be met?
--
-- arguments    p_opportunity; p_member
-- result       true if the innovator or the prospect is this member
-- locks        none
create or replace function is_about(p_opportunity intro_opportunities, p_member users)
returns boolean
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return exists (
        select 1 from innovators as i where i.id = p_opportunity.innovator_id and i.user_id = p_member.id
    ) or exists (
        select 1 from prospects as p where p.id = p_opportunity.prospect_id and is_prospect(p, p_member)
    ) or coalesce(
        linkedin_name(p_opportunity.prospect_linkedin_url) = linkedin_name(p_member.linkedin_url), false
    );
end;
$$;
