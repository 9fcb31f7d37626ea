-- requesters_of: who waits for the answers to a request: its requester and those of attached requests.
--
-- behaviour.md, "Community". A request that is attached to another has it as its context. Who has
-- cancelled theirs (lib/agents/concierge_desk.py) waits no more.
--
-- arguments    p_request_id
-- result       array of {request_id, user_id}, the request's own first; without requests of nobody
-- locks        none
create or replace function requesters_of(p_request_id uuid)
returns jsonb
language sql
stable
set search_path = public, pg_temp
as $$
    select coalesce(
        jsonb_agg(
            jsonb_build_object('request_id', q.id, 'user_id', q.requesting_user_id)
            order by q.id <> p_request_id, q.created_at, q.id
        ), '[]'
    )
    from community_requests as q
    where
        q.requesting_user_id is not null
        and q.closed_loop_message is distinct from 'Cancelled by the member who asked.'
        and (q.id = p_request_id or (q.context_type = 'community_request' and q.context_id = p_request_id));
$$;
