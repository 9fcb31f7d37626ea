-- The newest texts of a conversation, without sorting it.
create index concurrently if not exists messages_newest_of_conversation
on public.messages (conversation_id, created_at desc);
