-- closure_context: the community requests that are to be closed, with what deciding that needs.
--
-- behaviour.md, "Closure": open ones that are past expires_at (7 days where there is none), or whose
-- experts have all answered, or that are attached to one that is closed, whose answers are theirs.
-- Answers come with `scored`: scored, or their scoring is over for good
-- (protocol.md, 14). The task that scores an answer has the answer's id. The oldest first, 10 at a time.
--
-- arguments    p_now
-- result       {now, requests [{id, status, requesting_user_id, request_summary, responses_count,
--               expired, attached: are open ones attached to it, answers [{id, user_id, scored}],
--               priorities [active ids]}], more: are any left, opportunities (see lapsing_opportunities)}
-- locks        none: the commit expects status and responses_count as they are read here
create or replace function closure_context(p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    c_most constant integer := 10;
    v_requests jsonb;
    v_opportunities jsonb := lapsing_opportunities(p_now, c_most + 1);
begin
    with due as (
        select
            q.*,
            f.id as first_id,
            least(
                coalesce(q.expires_at, q.created_at + interval '7 days', p_now), f.expires_at
            ) <= p_now as expired
        from community_requests as q
        left join community_requests as f on q.context_type = 'community_request' and f.id = q.context_id
        where
            q.status in ('open', 'responses_received')
            and (
                coalesce(q.expires_at, q.created_at + interval '7 days', p_now) <= p_now
                or f.status = 'closed'
                or (
                    cardinality(q.target_user_ids) > 0
                    and not exists (
                        select 1
                        from unnest(q.target_user_ids) as e (id)
                        where not exists (
                            select 1 from community_responses as r where r.request_id = q.id and r.user_id = e.id
                        )
                    )
                )
            )
            -- Those that wait for a score come back with the next hour; they must not fill the batch.
            and not exists (
                select 1
                from community_responses as r
                inner join agent_tasks as t on t.id = r.id
                where r.request_id = q.id and r.usefulness_score is null and t.status in ('pending', 'processing')
            )
        order by coalesce(q.expires_at, q.created_at), q.id
        limit c_most + 1
    )

    select jsonb_agg(
        jsonb_build_object(
            'id', d.id,
            'status', d.status,
            'requesting_user_id', d.requesting_user_id,
            'request_summary', d.request_summary,
            'responses_count', d.responses_count,
            'expired', d.expired,
            'attached', exists (
                select 1
                from community_requests as a
                where
                    a.context_type = 'community_request'
                    and a.context_id = d.id
                    and a.status in ('open', 'responses_received')
            ),
            'answers', coalesce((
                select jsonb_agg(
                    jsonb_build_object(
                        'id', r.id,
                        'user_id', r.user_id,
                        'scored', r.usefulness_score is not null or exists (
                            select 1
                            from agent_tasks as t
                            where t.id = r.id and t.status in ('completed', 'failed')
                        )
                    )
                    order by r.created_at, r.id
                )
                from community_responses as r
                where r.request_id = coalesce(d.first_id, d.id)
            ), '[]'),
            'priorities', coalesce((
                select jsonb_agg(p.id order by p.id)
                from user_priorities as p
                where
                    p.user_id = any(d.target_user_ids)
                    and p.item_type = 'community_request'
                    and p.item_id = d.id
                    and p.status in ('active', 'presented')
            ), '[]')
        )
        order by coalesce(d.expires_at, d.created_at), d.id
    )
    into v_requests
    from due as d;
    return jsonb_build_object(
        'now', p_now,
        'requests', coalesce(v_requests - c_most, '[]'),
        'opportunities', v_opportunities - c_most,
        'more', coalesce(jsonb_array_length(v_requests) > c_most, false) or jsonb_array_length(v_opportunities) > c_most
    );
end;
$$;
