-- Texts on their way to Twilio: a handful among all that were ever sent.
create index concurrently if not exists messages_sending
on public.messages (created_at, id)
where status = 'sending';
