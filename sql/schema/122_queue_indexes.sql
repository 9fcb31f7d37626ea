-- Additional indexes for sending: what waits, what nobody has claimed yet, what is in flight, and what
-- was sent lately.

create index if not exists message_queue_queued_of_user on message_queue (user_id, scheduled_for)
where status = 'queued';
create index if not exists message_queue_unclaimed on message_queue (scheduled_for, id)
where status = 'queued' and delivered_message_id is null;
create index if not exists message_queue_sent_of_user on message_queue (user_id, sent_at)
where sent_at is not null;
-- In flight: a handful of rows among many queued ones; claims and reconciliation look only for these.
create index if not exists message_queue_in_flight on message_queue (sent_at)
where status = 'queued' and delivered_message_id is not null;
