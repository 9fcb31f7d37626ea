-- turn_context: everything that deciding a turn needs, as one JSON document (lib/engine/turn.py).
--
-- arguments    p_user_id; p_event_ids, the claimed user.message.received events, oldest first; p_now
-- result       {now, member, conversation, history (the 20 messages before, oldest first), texts,
--               agent_instances, referrers, steps_completed, onboarding_completed, turns_today,
--               items, requests (open ones of this member), intros (under way), researches
--               (what is being looked into), budgets (the three latest, the newest first), re_engagement
--               (the pending task), first_contact}
--              referrers: verified members whose full name occurs word for word in the newest texts;
--              looked up by index, one probe for each run of two to four words.
-- locks        none of its own: meaningful only under lock_member
create or replace function turn_context(p_user_id uuid, p_event_ids uuid[], p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_member users%rowtype;
    v_conversation jsonb;
    v_texts jsonb;
    v_message_ids uuid [];
    v_history jsonb;
    v_onboarding boolean;
    v_steps jsonb := '[]';
    v_completed boolean := false;
    v_referrers jsonb := '[]';
    v_zone text;
begin
    select * into v_member from users where id = p_user_id;
    v_zone := member_zone(v_member.timezone, v_member.phone_number);
    v_onboarding := v_member.verified is not true;

    select to_jsonb(c) || jsonb_build_object('messages_since_summary', coalesce(c.messages_since_summary, 0))
    into v_conversation
    from conversations as c
    where c.user_id = p_user_id and c.status = 'active'
    order by c.created_at desc nulls last, c.id desc
    limit 1;

    select
        jsonb_agg(
            jsonb_build_object(
                'event_id', e.id, 'message_id', m.id, 'content', m.content,
                'media', coalesce(as_readable(e.payload) -> 'media', '[]'),
                'created_at', coalesce(m.created_at, e.created_at, p_now)
            )
            order by e.created_at, e.id
        ),
        array_agg(m.id)
    into v_texts, v_message_ids
    from events as e
    inner join messages as m on m.id = as_uuid(e.payload ->> 'message_id') and m.user_id = p_user_id
    where e.id = any(p_event_ids);

    select jsonb_agg(to_jsonb(h) order by h.created_at, h.id)
    into v_history
    from (
        select m.id, m.role, m.content, m.status, m.created_at
        from messages as m
        where
            m.user_id = p_user_id
            and m.id <> all(coalesce(v_message_ids, '{}'))
            -- Without a time a text has no place among the others; other roles are nobody's words.
            and m.created_at is not null
            and m.role in ('user', 'assistant')
        order by m.created_at desc, m.id desc
        limit 20
    ) as h;

    if v_onboarding then
        select
            coalesce(
                jsonb_agg(distinct e.payload -> 'step') filter (
                    where
                        e.event_type = 'user.onboarding_step.completed'
                        and jsonb_typeof(e.payload -> 'step') = 'string'
                ), '[]'
            ),
            coalesce(bool_or(e.event_type = 'user.onboarding_completed'), false)
        into v_steps, v_completed
        from events as e
        where
            e.aggregate_id = p_user_id
            and e.aggregate_type = 'user'
            and e.event_type in ('user.onboarding_step.completed', 'user.onboarding_completed');
    end if;

    -- Also when a referrer is known: a name that is repeated must be told from one that corrects it.
    if v_onboarding then
        with words as (
            select w.word, row_number() over () as position
            from (
                select t.value ->> 'content' as content from jsonb_array_elements(v_texts) as t
                union all
                select h.value ->> 'content' from jsonb_array_elements(v_history) as h
                where h.value ->> 'role' = 'user'
            ) as s
            cross join
                lateral regexp_split_to_table(lower(left(s.content, 2000)), '[^[:alnum:]''’.-]+') as w (word)
            where w.word <> ''
            limit 1000
        ),

        runs as (
            select
                rtrim(word, '.') as one,
                rtrim(lead(word, 1) over by_position, '.') as two,
                rtrim(lead(word, 2) over by_position, '.') as three,
                rtrim(lead(word, 3) over by_position, '.') as four
            from words
            window by_position as (order by position)
        ),

        names as (
            select one || ' ' || two as name from runs
            union
            select one || ' ' || two || ' ' || three from runs
            union
            select one || ' ' || two || ' ' || three || ' ' || four from runs
        )

        select coalesce(jsonb_agg(jsonb_build_object('id', found.id, 'full_name', found.full_name)), '[]')
        into v_referrers
        from (
            select
                u.id,
                btrim(coalesce(u.first_name, '') || ' ' || coalesce(u.last_name, '')) as full_name
            from users as u
            where
                u.verified
                and u.id <> p_user_id
                and left(lower(btrim(coalesce(u.first_name, '') || ' ' || coalesce(u.last_name, ''))), 200)
                = any(array(select n.name from names as n where n.name is not null))
            limit 50
        ) as found;
    end if;

    return jsonb_build_object(
        'now', p_now,
        'member', to_jsonb(v_member) - 'response_pattern' - 'credit_balance',
        'conversation', v_conversation,
        'history', coalesce(v_history, '[]'),
        'texts', coalesce(v_texts, '[]'),
        'agent_instances', coalesce((
            select jsonb_agg(
                to_jsonb(a) || jsonb_build_object('config_json', as_readable(a.config_json)) order by a.created_at desc
            )
            from agent_instances as a
            where a.user_id = p_user_id and a.status = 'active'
        ), '[]'),
        'referrers', v_referrers,
        'steps_completed', v_steps,
        'onboarding_completed', v_completed,
        'turns_today', (
            select count(distinct l.context_id)
            from agent_actions_log as l
            where
                l.user_id = p_user_id
                and l.created_at >= local_instant(
                    date_trunc('day', p_now at time zone v_zone), v_zone
                )
                and l.context_type = 'event'
                and l.context_id <> p_event_ids[1]
        ),
        'items', case when v_onboarding then '[]' else member_items(p_user_id, p_now) end,
        'requests', case when v_onboarding then '[]' else coalesce((
            select jsonb_agg(to_jsonb(q) order by q.created_at, q.id)
            from (
                select
                    r.id, r.question, r.request_summary, r.status, r.created_at,
                    -- An attached request has the answers of the one it is attached to.
                    coalesce(f.responses_count, r.responses_count) as responses_count,
                    exists (
                        select 1
                        from community_requests as a
                        where
                            a.context_type = 'community_request'
                            and a.context_id = r.id
                            and a.status in ('open', 'responses_received')
                    ) as attached
                from community_requests as r
                left join community_requests as f
                    on r.context_type = 'community_request' and f.id = r.context_id
                where r.requesting_user_id = p_user_id and r.status in ('open', 'responses_received')
                order by r.created_at desc, r.id
                limit 10
            ) as q
        ), '[]') end,
        'intros', case when v_onboarding then '[]' else coalesce((
            select jsonb_agg(intro_document(w.id) order by w.created_at, w.id)
            from (
                select o.id, o.created_at
                from intro_opportunities as o
                where
                    o.status = 'accepted'
                    and (
                        o.connector_user_id = p_user_id
                        or (
                            o.innovator_id = (select v.id from innovators as v where v.user_id = p_user_id)
                            and o.intro_scheduled_at is not null
                        )
                    )
                order by o.created_at, o.id
                limit 10
            ) as w
        ), '[]') end,
        'researches', case when v_onboarding then '[]' else coalesce((
            select jsonb_agg(to_jsonb(r) order by r.created_at, r.id)
            from (
                select f.id, f.request_description, f.created_at
                from solution_workflows as f
                where
                    f.user_id = p_user_id
                    and f.status = 'in_progress'
                    and f.created_at > p_now - interval '3 days'
                order by f.created_at desc, f.id
                limit 10
            ) as r
        ), '[]') end,
        'budgets', coalesce((
            select jsonb_agg(to_jsonb(b) order by b.date desc, b.messages_sent desc nulls last)
            from (
                select w.id, w.date, w.daily_limit, w.hourly_limit, w.quiet_hours_enabled, w.messages_sent
                from user_message_budget as w
                where w.user_id = p_user_id
                order by w.date desc, w.messages_sent desc nulls last
                limit 3
            ) as b
        ), '[]'),
        're_engagement', (
            select to_jsonb(t)
            from (
                select k.id, k.scheduled_for, as_object(as_readable(k.context_json)) as context_json
                from agent_tasks as k
                where
                    k.user_id = p_user_id
                    and k.task_type = 're_engagement_check'
                    and k.status is not distinct from 'pending'
                order by k.scheduled_for desc, k.id
                limit 1
            ) as t
        ),
        'first_contact', not exists (
            select 1 from messages as m where m.user_id = p_user_id and m.direction = 'outbound'
        ) and not exists (
            select 1 from message_queue as q where q.user_id = p_user_id and q.status in ('queued', 'sent')
        )
    );
end;
$$;
