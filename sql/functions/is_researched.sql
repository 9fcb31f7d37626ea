-- is_researched: is this member the person who was looked up?
--
-- arguments    p_person; p_member
-- result       true for the same e-mail or LinkedIn, or the same name where no company tells them apart
-- locks        none
create or replace function is_researched(p_person linkedin_research_prospects, p_member users)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = public, pg_temp
as $$
begin
    return
        coalesce(lower(btrim(p_person.email)) = lower(p_member.email), false)
        or coalesce(linkedin_name(p_person.linkedin_url) = linkedin_name(p_member.linkedin_url), false)
        or coalesce(
            lower(btrim(p_person.name)) = lower(btrim(p_member.first_name || ' ' || p_member.last_name))
            and coalesce(lower(btrim(p_person.company)) = lower(btrim(p_member.company)), true),
            false
        );
end;
$$;
