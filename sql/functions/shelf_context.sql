-- shelf_context: what deciding about a member's list of priorities needs (lib/engine/documents.py).
--
-- For the account manager's events and tasks; `request` and `response` are those that the payload
-- names (a response's request is its own).
--
-- arguments    p_user_id; p_payload; p_now
-- result       {now, member {id, phone_number, timezone, expertise, response_pattern, verified,
--              poc_agent_type} | null, items, last_inbound_at, request | null, response | null,
--              opportunity | null, unlisted_opportunities (ids of at most 10), answers_given,
--              useful_answers, hours (inbound texts of 90 days by local hour)}
-- locks        none of its own: meaningful only under the member's lease
create or replace function shelf_context(p_user_id uuid, p_payload jsonb, p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_member users%rowtype;
    v_response community_responses%rowtype;
    v_zone text;
begin
    select * into v_member from users where id = p_user_id;
    select * into v_response from community_responses where id = as_uuid(p_payload ->> 'response_id');
    v_zone := member_zone(v_member.timezone, v_member.phone_number);
    return jsonb_build_object(
        'now', p_now,
        'member', case when v_member.id is not null then
            to_jsonb(v_member) - 'email' - 'credit_balance'
            || jsonb_build_object('response_pattern', as_readable(v_member.response_pattern))
        end,
        'items', member_items(p_user_id, p_now),
        'last_inbound_at', (
            select max(m.created_at) from messages as m where m.user_id = p_user_id and m.direction = 'inbound'
        ),
        'request', (
            select to_jsonb(q)
            from community_requests as q
            where q.id = coalesce(v_response.request_id, as_uuid(p_payload ->> 'request_id'))
        ),
        'response', case when v_response.id is not null then to_jsonb(v_response) end,
        'opportunity', intro_document(as_uuid(p_payload ->> 'intro_opportunity_id')),
        'unlisted_opportunities', coalesce((
            select jsonb_agg(w.id order by w.created_at, w.id)
            from (
                select o.id, o.created_at
                from intro_opportunities as o
                where
                    o.connector_user_id = p_user_id
                    and o.status = 'open'
                    and v_member.verified
                    and coalesce(o.expires_at > p_now, true)
                    and not exists (
                        select 1
                        from user_priorities as p
                        where p.user_id = p_user_id and p.item_type = 'intro_opportunity' and p.item_id = o.id
                    )
                order by o.created_at, o.id
                limit 10
            ) as w
        ), '[]'),
        'answers_given', (select count(*) from community_responses as r where r.user_id = p_user_id),
        'useful_answers', (
            select count(*) from community_responses as r where r.user_id = p_user_id and r.usefulness_score >= 7
        ),
        'hours', (
            select jsonb_object_agg(h.hour, h.texts)
            from (
                select extract(hour from m.created_at at time zone v_zone)::integer as hour, count(*) as texts
                from messages as m
                where
                    m.user_id = p_user_id
                    and m.direction = 'inbound'
                    and m.created_at > p_now - interval '90 days'
                    and m.created_at <= p_now
                group by 1
            ) as h
        )
    );
end;
$$;
