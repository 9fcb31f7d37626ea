-- member_zone: the time zone a member lives by.
--
-- behaviour.md, "Quiet hours": users.timezone, else the phone number's zone when it has exactly one, else
-- America/New_York; an unknown zone counts as absent.
--
-- arguments    p_timezone, users.timezone or null; p_number, users.phone_number
-- result       the name of a zone that this server knows
-- locks        none
create or replace function member_zone(p_timezone text, p_number text)
returns text
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return coalesce(known_zone(p_timezone), known_zone(phone_zone(p_number)), 'America/New_York');
end;
$$;
