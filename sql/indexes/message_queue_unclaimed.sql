-- What is due and nobody has claimed yet.
create index concurrently if not exists message_queue_unclaimed
on public.message_queue (scheduled_for, id)
where status = 'queued' and delivered_message_id is null;
