-- What the agent has to write, or to judge afresh, before it may leave, in the order in which it is due.
--
-- Whoever asks says "(…) is true" as well: see agent_tasks_due.
create index concurrently if not exists message_queue_unjudged
on public.message_queue ((case priority when 'high' then 1 when 'low' then 3 else 2 end), scheduled_for, id)
where (status = 'queued' and (final_message is null or requires_fresh_context)) is true;
