-- The oldest open events of all, for the sweeper.
--
-- Only the sweeper says "(…) is true": whoever asks about one member is not to be led here, see
-- agent_tasks_due.
create index concurrently if not exists events_waiting
on public.events (created_at, id)
where (processed is not true) is true;
