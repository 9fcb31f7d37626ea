-- lease_runs: does a lease with this end still run?
--
-- No lease is given for more than an hour (lease_end), and no two clocks differ by another. One that says it
-- ends later is damaged: it would keep its member, or its task, from everybody for good.
--
-- arguments    p_until, the lease's end as it is kept in jsonb, or null; p_now
-- result       true while the end lies ahead, by no more than two hours
-- locks        none
create or replace function lease_runs(p_until text, p_now timestamptz)
returns boolean
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_until timestamptz := as_time(p_until);
begin
    return coalesce(v_until > p_now and v_until <= p_now + interval '2 h', false);
end;
$$;
