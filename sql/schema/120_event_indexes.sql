-- Additional indexes for claiming events: the open ones of a member, and the oldest open ones of all.
--
-- Partial on `processed`, so that a claim costs the same however many finished events there are.

create index if not exists events_open_of_aggregate on events (aggregate_id, created_at, id)
where processed is not true;
create index if not exists events_open on events (created_at, id) where processed is not true;
