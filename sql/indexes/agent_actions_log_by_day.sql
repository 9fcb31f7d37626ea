-- What Claude has cost since midnight, for the daily cap.
create index concurrently if not exists agent_actions_log_by_day
on public.agent_actions_log (created_at) include (cost_usd);
