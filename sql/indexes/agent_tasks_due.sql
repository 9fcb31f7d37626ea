-- The tasks that are due, in the order in which they are claimed (claim_tasks).
create index concurrently if not exists agent_tasks_due
on public.agent_tasks ((case priority when 'high' then 1 when 'low' then 3 else 2 end), scheduled_for, id)
where status = 'pending';
