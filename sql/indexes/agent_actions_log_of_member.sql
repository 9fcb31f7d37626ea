-- A member's turns of today, for the daily limit.
create index concurrently if not exists agent_actions_log_of_member
on public.agent_actions_log (user_id, created_at);
