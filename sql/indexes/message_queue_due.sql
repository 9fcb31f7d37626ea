-- What is due and nobody has claimed yet, in the order in which it leaves (claim_texts).
--
-- Whoever asks says "(…) is true" as well: see agent_tasks_due.
create index concurrently if not exists message_queue_due
on public.message_queue ((case priority when 'high' then 1 when 'low' then 3 else 2 end), scheduled_for, id)
where (status = 'queued' and delivered_message_id is null) is true;
