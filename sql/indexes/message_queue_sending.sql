-- In flight: a handful of rows among many queued ones; claims and reconciliation look only for these.
--
-- Whoever asks says "(…) is true" as well: see agent_tasks_due.
create index concurrently if not exists message_queue_sending
on public.message_queue (sent_at)
where (status = 'queued' and delivered_message_id is not null) is true;
