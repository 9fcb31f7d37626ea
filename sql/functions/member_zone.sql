-- member_zone: the time zone a member lives by.
--
-- behaviour.md, "Quiet hours": users.timezone, else America/New_York; an unknown zone counts as absent.
-- So does what only PostgreSQL takes for one, like GMT-5 (which it reads as five hours east).
--
-- arguments    p_timezone, users.timezone or null
-- result       a zone name that this server knows
-- locks        none
create or replace function member_zone(p_timezone text)
returns text
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    if p_timezone ~ '\d' and p_timezone !~ '^(Etc/GMT[+-]\d\d?|GMT[+-]?0|(EST5E|CST6C|MST7M|PST8P)DT)$' then
        return 'America/New_York';
    end if;
    perform now() at time zone p_timezone;
    return coalesce(nullif(p_timezone, ''), 'America/New_York');
exception
    when data_exception then
        return 'America/New_York';
end;
$$;
