-- member_items: what a member's account manager has put on their list and is not over, the best first.
--
-- `shown` is how often a text listing it has left and `shown_at` when the last one did (behaviour.md,
-- "Priority scores": a showing is a sent row that lists the priority); `answered` says that the member
-- wrote within 72 h after it, `has_answered` that they answered the request; `own_answer` is theirs, as
-- long as it is not scored, and keeps a question they answered in the last minutes on the list. A question or
-- an introduction that was shown stays for 30 days after it is over, because a late answer is recorded, or
-- refused in words that fit. No name of somebody who has not said yes is in what agents are told of it. The
-- request of an answer is the member's own, also where it was attached to another's.
--
-- arguments    p_user_id; p_now
-- result       array of at most 20 {id, item_type, item_id, value_score, priority_rank, status, created_at,
--              expires_at, presented_at, shown, shown_at, answered, has_answered,
--              request {id, question, requester_context, desired_outcome, request_summary, status,
--              responses_count, requesting_user_id} | null,
--              response {id, user_id, response_text, impact_description, status, usefulness_score} | null,
--              opportunity: see intro_document | null,
--              solution {id, request_description, recommendation} | null}
-- locks        none of its own: meaningful only under the member's lease
create or replace function member_items(p_user_id uuid, p_now timestamptz)
returns jsonb
language sql
stable
set search_path = public, pg_temp
as $$
    select coalesce(jsonb_agg(
        to_jsonb(p) - 'user_id' || jsonb_build_object(
            'shown', s.shown,
            'shown_at', s.shown_at,
            'answered', exists (
                select 1
                from messages as i
                where
                    i.user_id = p_user_id
                    and i.direction = 'inbound'
                    and i.created_at > s.shown_at
                    and i.created_at <= s.shown_at + interval '72 h'
            ),
            'has_answered', exists (
                select 1 from community_responses as a where a.request_id = q.id and a.user_id = p_user_id
            ),
            'own_answer', (
                select jsonb_build_object('id', a.id, 'verbatim_answer', a.verbatim_answer, 'created_at', a.created_at)
                from community_responses as a
                where
                    p.item_type = 'community_request'
                    and a.request_id = p.item_id
                    and a.user_id = p_user_id
                    and a.usefulness_score is null
                    and a.created_at is not null
                order by a.created_at desc, a.id
                limit 1
            ),
            'request', case when q.id is not null then jsonb_build_object(
                'id', q.id, 'question', q.question, 'requester_context', q.requester_context,
                'desired_outcome', q.desired_outcome, 'request_summary', q.request_summary, 'status', q.status,
                'responses_count', q.responses_count, 'requesting_user_id', q.requesting_user_id
            ) end,
            'response', case when r.id is not null then jsonb_build_object(
                'id', r.id, 'user_id', r.user_id, 'response_text', r.response_text, 'impact_description', r.impact_description,
                'status', r.status, 'usefulness_score', r.usefulness_score
            ) end,
            'opportunity', case when p.item_type = 'intro_opportunity' then intro_document(p.item_id) end,
            'solution', (
                select jsonb_build_object(
                    'id', w.id, 'request_description', w.request_description,
                    'recommendation', as_object(w.expert_recommendations) ->> 'text'
                )
                from solution_workflows as w
                where p.item_type = 'solution_update' and w.id = p.item_id and w.user_id = p_user_id
            )
        )
        order by p.value_score desc nulls last, p.created_at, p.id
    ), '[]')
    from (
        select *
        from user_priorities as u
        where
            u.user_id = p_user_id
            and (
                u.status in ('active', 'presented')
                or (
                    u.status = 'actioned'
                    and u.item_type = 'community_request'
                    and exists (
                        select 1
                        from community_responses as a
                        where
                            a.request_id = u.item_id
                            and a.user_id = p_user_id
                            and a.usefulness_score is null
                            and a.created_at > p_now - interval '5 min'
                    )
                )
                or (
                    u.status = 'expired'
                    and u.item_type in ('community_request', 'intro_opportunity')
                    and u.presented_at > p_now - interval '30 days'
                )
            )
        -- What is over must not hide what is not.
        order by u.status = 'expired', u.value_score desc nulls last, u.created_at, u.id
        limit 20
    ) as p
    left join community_responses as r
        on p.item_type in ('community_response', 'expert_impact_notification') and p.item_id = r.id
    left join community_requests as q
        on q.id = case p.item_type
            when 'community_request' then p.item_id
            when 'community_response' then coalesce(
                (
                    select a.id
                    from community_requests as a
                    where
                        a.context_type = 'community_request'
                        and a.context_id = r.request_id
                        and a.requesting_user_id = p_user_id
                    order by a.created_at, a.id
                    limit 1
                ),
                r.request_id
            )
            else r.request_id
        end
    cross join lateral (
        select count(distinct coalesce(m.sequence_id, m.id)) as shown, max(m.sent_at) as shown_at
        from message_queue as m
        where
            m.user_id = p_user_id
            and m.status = 'sent'
            and m.sent_at >= coalesce(p.created_at, '-infinity')
            and as_object(m.message_data) -> 'items' ? p.id::text
    ) as s;
$$;
