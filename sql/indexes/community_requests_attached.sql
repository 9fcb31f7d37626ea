-- The requests that are attached to another one.
create index concurrently if not exists community_requests_attached
on public.community_requests (context_id)
where context_type = 'community_request';
