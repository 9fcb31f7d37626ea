-- oldest_open_event: how long the event that has waited longest has waited, for operators.
--
-- Whatever it waits for: a retry, a lease that must run out, or somebody who takes it up.
--
-- arguments    p_now, tests and the local clock only
-- result       {outcome: found, age_s: seconds, 0 when nothing waits}
-- locks        none
-- idempotency  reads only
create or replace function oldest_open_event(p_now timestamptz default null)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_oldest timestamptz;
begin
    select e.created_at into v_oldest
    from events as e
    -- As in the index events_waiting.
    where (e.processed is not true) is true
    order by e.created_at, e.id
    limit 1;
    return jsonb_build_object(
        'outcome', 'found', 'age_s', greatest(round(extract(epoch from v_now - v_oldest)), 0)
    );
end;
$$;
