-- quiet_until: until when are these quiet hours, if they are now?
--
-- behaviour.md, "Quiet hours": half-open [start, end) in local time, may cross midnight, start = end
-- means none, 22:00-08:00 if either is null.
--
-- arguments    p_start, p_end, local times or null; p_zone, a known zone; p_now
-- result       the end of the window that p_now lies in, or null
-- locks        none
create or replace function quiet_until(p_start time, p_end time, p_zone text, p_now timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_start time := case when p_start is null or p_end is null then '22:00' else p_start end;
    v_end time := case when p_start is null or p_end is null then '08:00' else p_end end;
    v_local timestamp := p_now at time zone p_zone;
begin
    if v_start < v_end and v_local::time >= v_start and v_local::time < v_end then
        return local_instant(v_local::date + v_end, p_zone);
    elsif v_start > v_end and v_local::time >= v_start then
        return local_instant(v_local::date + 1 + v_end, p_zone);
    elsif v_start > v_end and v_local::time < v_end then
        return local_instant(v_local::date + v_end, p_zone);
    end if;
    return null;
end;
$$;
