-- The tasks that are due.
create index concurrently if not exists agent_tasks_pending
on public.agent_tasks (scheduled_for, id)
where status = 'pending';
