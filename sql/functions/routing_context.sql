-- routing_context: whom a community request is for, and whether it has been asked already.
--
-- behaviour.md, "Community": at most 5 verified members whose expertise overlaps, the most overlap
-- first, never the requester or somebody who has opted out. An open request of the last 7 days with the
-- same category and overlapping expertise is one that this one is attached to.
--
-- arguments    p_event, a claimed community.request_needed; p_now
-- result       {now, requester (users.id or null), experts [ids], attached_to (id or null)}
-- locks        none
create or replace function routing_context(p_event events, p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    c_experts constant integer := 5;
    v_payload jsonb := as_object(p_event.payload);
    v_requester uuid;
    v_tags text [];
begin
    select u.id into v_requester from users as u where p_event.aggregate_type = 'user' and u.id = p_event.aggregate_id;
    v_tags := normal_tags(array(
        select t.value
        from jsonb_array_elements_text(
            case jsonb_typeof(v_payload -> 'expertise_needed') when 'array' then v_payload -> 'expertise_needed' else '[]' end
        ) as t
    ));
    return jsonb_build_object(
        'now', p_now,
        'requester', v_requester,
        'experts', coalesce((
            select jsonb_agg(e.id order by e.matching desc, e.id)
            from (
                select u.id, m.matching
                from users as u
                cross join lateral (
                    select count(*) as matching
                    from unnest(normal_tags(u.expertise)) as t (tag)
                    where t.tag = any(v_tags)
                ) as m
                where
                    u.verified
                    and u.expertise is not null
                    and u.id is distinct from v_requester
                    and m.matching > 0
                    and not is_opted_out(u.id)
                order by m.matching desc, u.id
                limit c_experts
            ) as e
        ), '[]'),
        'attached_to', (
            select q.id
            from community_requests as q
            where
                q.status in ('open', 'responses_received')
                and q.context_type is distinct from 'community_request'
                and q.created_at > p_now - interval '7 days'
                and coalesce(q.expires_at > p_now, true)
                and lower(btrim(coalesce(q.category, ''))) = lower(btrim(coalesce(v_payload ->> 'category', '')))
                and normal_tags(q.expertise_needed) && v_tags
            order by q.created_at, q.id
            limit 1
        )
    );
end;
$$;
