-- The newest texts of a member, without sorting all of them.
create index concurrently if not exists messages_newest_of_user
on public.messages (user_id, created_at desc);
