-- Finds a referrer by full name (turn_context). Cut, since an index refuses very long values.
create index concurrently if not exists users_verified_name
on public.users (left(lower(btrim(coalesce(first_name, '') || ' ' || coalesce(last_name, ''))), 200))
where verified;
