-- What is due and needs nothing of the agent, in the order in which it leaves (claim_texts).
--
-- Whoever asks says "(…) is true" as well: see agent_tasks_due.
create index concurrently if not exists message_queue_ready
on public.message_queue ((case priority when 'high' then 1 when 'low' then 3 else 2 end), scheduled_for, id)
where (status = 'queued' and final_message is not null and requires_fresh_context is not true) is true;
