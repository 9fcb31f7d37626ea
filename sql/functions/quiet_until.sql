-- quiet_until: until when are these quiet hours, if they are now?
--
-- behaviour.md, "Quiet hours": half-open [start, end) in local time, may cross midnight, start = end
-- means none, 22:00-08:00 if either is null. The window is what lies between the two instants, so
-- that it ends once, also where the clock shows its end twice or never.
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
    v_today date := (p_now at time zone p_zone)::date;
    v_day date;
    v_until timestamptz;
begin
    if v_start = v_end then
        return null;
    end if;
    foreach v_day in array array[v_today - 1, v_today] loop
        v_until := local_instant(v_day + (v_end < v_start)::integer + v_end, p_zone);
        if p_now >= local_instant(v_day + v_start, p_zone) and p_now < v_until then
            return v_until;
        end if;
    end loop;
    return null;
end;
$$;
