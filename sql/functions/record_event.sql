-- record_event: an event that comes from outside, once.
--
-- Cloud Scheduler delivers at least once: its call becomes an event whose id is made from the type and
-- the schedule's time, so that a repeated call finds the row there (protocol.md, 12).
--
-- arguments    p_event {id, event_type, payload, created_by}; p_now
-- result       {outcome: recorded | duplicate}
-- locks        none
-- idempotency  primary key
create or replace function record_event(p_event jsonb, p_now timestamptz default null)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    insert into events (id, event_type, payload, metadata, created_at, created_by)
    values (
        (p_event ->> 'id')::uuid, p_event ->> 'event_type', coalesce(p_event -> 'payload', '{}'), '{}',
        coalesce(p_now, clock_timestamp()), p_event ->> 'created_by'
    )
    on conflict do nothing;
    return jsonb_build_object('outcome', case when found then 'recorded' else 'duplicate' end);
end;
$$;
