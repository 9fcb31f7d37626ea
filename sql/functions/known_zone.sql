-- known_zone: a time zone's name, if it is one.
--
-- What only PostgreSQL takes for one is none: GMT-5 (which it reads as five hours east), the abbreviation
-- IST (Israel's), the second tree of zones under posix/ and right/.
--
-- arguments    p_name, or null
-- result       the name of a zone of IANA's that this server knows, or null
-- locks        none
create or replace function known_zone(p_name text)
returns text
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    c_numbered constant text := '^(Etc/GMT(0|[+](\d|1[0-2])|-(\d|1[0-4]))|GMT[+-]?0|(EST5E|CST6C|MST7M|PST8P)DT)$';
    c_abbreviated constant text [] := '{EST,MST,HST,GMT,UTC,UCT,ZULU}';
    -- Zones with a summer time of their own, which as abbreviations have none; IANA's links for them.
    v_zone text := case upper(p_name)
        when 'CET' then 'Europe/Brussels'
        when 'MET' then 'Europe/Brussels'
        when 'EET' then 'Europe/Athens'
        when 'WET' then 'Europe/Lisbon'
        else p_name
    end;
begin
    if
        (v_zone ~ '\d' and v_zone !~ c_numbered)
        or v_zone ~* '^(posix|right)/'
        or (
            v_zone !~ '/'
            and upper(v_zone) <> all(c_abbreviated)
            and exists (select 1 from pg_timezone_abbrevs as a where a.abbrev = upper(v_zone))
        )
    then
        return null;
    end if;
    perform now() at time zone v_zone;
    return nullif(v_zone, '');
exception
    when data_exception then
        return null;
end;
$$;
