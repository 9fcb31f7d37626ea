-- The members' items about one request or answer.
create index concurrently if not exists user_priorities_of_item
on public.user_priorities (item_id, item_type);
