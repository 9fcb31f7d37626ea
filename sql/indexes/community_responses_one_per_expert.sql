-- One answer for each request and expert. A belt only: its id is made from both (protocol.md, 12).
create unique index concurrently if not exists community_responses_one_per_expert
on public.community_responses (request_id, user_id);
