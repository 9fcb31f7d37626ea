-- One active conversation for each member. A belt only: it is found or made under the member's lock.
create unique index concurrently if not exists conversations_one_active_per_user
on public.conversations (user_id)
where status = 'active';
