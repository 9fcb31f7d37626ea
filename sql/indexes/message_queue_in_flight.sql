-- In flight: a handful of rows among many queued ones; claims and reconciliation look only for these.
create index concurrently if not exists message_queue_in_flight
on public.message_queue (sent_at)
where status = 'queued' and delivered_message_id is not null;
