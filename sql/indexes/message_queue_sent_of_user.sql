-- What was texted to a member lately, for the hourly budget.
create index concurrently if not exists message_queue_sent_of_user
on public.message_queue (user_id, sent_at)
where sent_at is not null;
