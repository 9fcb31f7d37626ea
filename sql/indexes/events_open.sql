-- The oldest open events of all, for the sweeper.
create index concurrently if not exists events_open
on public.events (created_at, id)
where processed is not true;
