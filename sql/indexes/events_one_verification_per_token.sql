-- Each e-mail token verifies once. A second event with it is a conflict (behaviour.md, "Events").
create unique index concurrently if not exists events_one_verification_per_token
on public.events ((payload ->> 'token_id'))
where event_type = 'user.email_verified' and payload ->> 'token_id' is not null;
