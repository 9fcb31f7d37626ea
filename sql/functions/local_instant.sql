-- local_instant: the point in time of a local date and time.
--
-- A local time that does not exist (clocks go forward) moves forward; one that exists twice (clocks
-- go back) is the first (behaviour.md, "Quiet hours").
--
-- arguments    p_local, date and time without zone; p_zone, a known zone
-- result       timestamptz
-- locks        none
create or replace function local_instant(p_local timestamp, p_zone text)
returns timestamptz
language sql
stable
set search_path = public, pg_temp
as $$
    select min(c.instant)
    from (
        select (p_local at time zone p_zone) - earlier.step as instant
        from unnest(array['0', '30 min', '1 h', '2 h', '3 h']::interval []) as earlier (step)
    ) as c
    where c.instant = p_local at time zone p_zone or c.instant at time zone p_zone = p_local;
$$;
