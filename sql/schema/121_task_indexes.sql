-- Additional indexes for claiming tasks: the due ones, and whether a member has one running.

create index if not exists agent_tasks_pending on agent_tasks (scheduled_for, id) where status = 'pending';
create index if not exists agent_tasks_processing on agent_tasks (user_id) where status = 'processing';
