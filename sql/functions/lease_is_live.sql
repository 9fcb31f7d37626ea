-- lease_is_live: does somebody hold this event now?
--
-- arguments    p_metadata, events.metadata; p_now
-- result       true while metadata.lease.until lies ahead (lease_runs)
-- locks        none
create or replace function lease_is_live(p_metadata jsonb, p_now timestamptz)
returns boolean
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return jsonb_typeof(p_metadata -> 'lease') is not distinct from 'object'
        and lease_runs(p_metadata #>> '{lease,until}', p_now);
end;
$$;
