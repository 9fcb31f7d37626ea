-- linkedin_name: what tells a LinkedIn profile from others, in any spelling of its address.
--
-- arguments    p_url, or null
-- result       the name after /in/, in lower case; null if there is none
-- locks        none
create or replace function linkedin_name(p_url text)
returns text
language sql
immutable
parallel safe
set search_path = public, pg_temp
as $$
    select substring(lower(p_url) from 'linkedin\.com/in/([^/?#[:space:]]+)');
$$;
