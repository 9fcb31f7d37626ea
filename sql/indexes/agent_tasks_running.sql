-- Tells whether a task of a member is running. For "is true" see agent_tasks_due.
create index concurrently if not exists agent_tasks_running
on public.agent_tasks (user_id)
where (status = 'processing') is true;
