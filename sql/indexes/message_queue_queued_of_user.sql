-- What waits to be texted to a member.
create index concurrently if not exists message_queue_queued_of_user
on public.message_queue (user_id, scheduled_for)
where status = 'queued';
