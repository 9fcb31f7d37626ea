-- The tasks that are due, in the order in which they are claimed (claim_tasks).
--
-- Whoever asks says "(status = 'pending') is true" as well. That fits no other index, so that the planner
-- cannot take the one on (status, scheduled_for), which looks cheaper where the table was last analysed
-- while the queue was empty: with 100,000 tasks queued since, a claim took a second that way.
create index concurrently if not exists agent_tasks_due
on public.agent_tasks ((case priority when 'high' then 1 when 'low' then 3 else 2 end), scheduled_for, id)
where (status = 'pending') is true;
