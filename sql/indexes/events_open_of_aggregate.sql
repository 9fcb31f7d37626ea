-- The open events of a member: a claim costs the same however many are finished.
create index concurrently if not exists events_open_of_aggregate
on public.events (aggregate_id, created_at, id)
where processed is not true;
