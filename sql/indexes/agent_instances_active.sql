-- The agents that work for a member now.
create index concurrently if not exists agent_instances_active
on public.agent_instances (user_id, agent_type)
where status = 'active';
