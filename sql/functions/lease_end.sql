-- lease_end: until when a lease runs that is taken now.
--
-- arguments    p_lease_s, seconds, of which an hour counts (lease_runs); p_now
-- result       the end
-- locks        none
create or replace function lease_end(p_lease_s integer, p_now timestamptz)
returns timestamptz
language sql
immutable
parallel safe
set search_path = public, pg_temp
as $$
    select p_now + make_interval(secs => least(p_lease_s, 3600));
$$;
