-- Tells whether a task of a member is running.
create index concurrently if not exists agent_tasks_processing
on public.agent_tasks (user_id)
where status = 'processing';
