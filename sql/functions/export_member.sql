-- export_member: everything that is stored about a member, table by table.
--
-- Their own rows whole, and rows about them: as somebody's prospect, as a person looked up. What is only
-- an id of theirs in another member's row is not there, since the row is the other's.
--
-- arguments    p_phone; p_by, who exports; p_token, made by the caller; p_now
-- result       {outcome: exported, member: see member_card, rows: how many, tables {name: array of rows}}
--              {outcome: unknown}   nobody has this number
--              {outcome: retry}
-- locks        the member's users row, so that it is one state that is seen
-- idempotency  by p_token: a repeated call exports again and is recorded once
create or replace function export_member(
    p_phone text, p_by text, p_token uuid, p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_member users%rowtype;
    v_tables jsonb;
    v_rows integer;
begin
    v_member := lock_number(p_phone);
    if v_member.id is null then
        return '{"outcome": "unknown"}';
    end if;
    with found as (
        select 'users' as name, null::timestamptz as at, v_member.id, to_jsonb(v_member) as data
        union all
        select 'conversations', t.created_at, t.id, to_jsonb(t) from conversations as t where t.user_id = v_member.id
        union all
        select 'messages', t.created_at, t.id, to_jsonb(t) from messages as t where t.user_id = v_member.id
        union all
        select
            'events', t.created_at, t.id,
            to_jsonb(t) || jsonb_build_object('payload', as_readable(t.payload), 'metadata', as_readable(t.metadata))
        from events as t
        where
            t.aggregate_id = v_member.id
            or t.aggregate_id in (select q.id from community_requests as q where q.requesting_user_id = v_member.id)
        union all
        select
            'agent_tasks', t.created_at, t.id,
            to_jsonb(t) || jsonb_build_object(
                'context_json', as_readable(t.context_json), 'result_json', as_readable(t.result_json)
            )
        from agent_tasks as t
        where t.user_id = v_member.id
        union all
        select
            'message_queue', t.created_at, t.id,
            to_jsonb(t) || jsonb_build_object('message_data', as_readable(t.message_data))
        from message_queue as t
        where t.user_id = v_member.id
        union all
        select 'user_message_budget', t.created_at, t.id, to_jsonb(t)
        from user_message_budget as t
        where t.user_id = v_member.id
        union all
        select 'user_priorities', t.created_at, t.id, to_jsonb(t) from user_priorities as t where t.user_id = v_member.id
        union all
        select 'solution_workflows', t.created_at, t.id, to_jsonb(t)
        from solution_workflows as t
        where t.user_id = v_member.id
        union all
        select 'intro_opportunities', t.created_at, t.id, to_jsonb(t)
        from intro_opportunities as t
        where
            t.connector_user_id = v_member.id
            or t.innovator_id in (select i.id from innovators as i where i.user_id = v_member.id)
            or t.prospect_id in (select p.id from prospects as p where is_prospect(p, v_member))
        union all
        select 'community_requests', t.created_at, t.id, to_jsonb(t)
        from community_requests as t
        where t.requesting_user_id = v_member.id
        union all
        select 'community_responses', t.created_at, t.id, to_jsonb(t)
        from community_responses as t
        where t.user_id = v_member.id
        union all
        select 'credit_events', t.created_at, t.id, to_jsonb(t) from credit_events as t where t.user_id = v_member.id
        union all
        select 'user_credit_balances', t.last_transaction_at, t.user_id, to_jsonb(t)
        from user_credit_balances as t
        where t.user_id = v_member.id
        union all
        select 'innovators', t.created_at, t.id, to_jsonb(t) from innovators as t where t.user_id = v_member.id
        union all
        select 'prospects', t.created_at, t.id, to_jsonb(t)
        from prospects as t
        where
            t.innovator_id in (select i.id from innovators as i where i.user_id = v_member.id)
            or is_prospect(t, v_member)
        union all
        select 'linkedin_research_prospects', t.created_at, t.id, to_jsonb(t)
        from linkedin_research_prospects as t
        where v_member.id = any(t.users_researching) or is_researched(t, v_member)
        union all
        select 'agent_instances', t.created_at, t.id, to_jsonb(t) from agent_instances as t where t.user_id = v_member.id
        union all
        select 'agent_actions_log', t.created_at, t.id, to_jsonb(t)
        from agent_actions_log as t
        where t.user_id = v_member.id
    )

    select jsonb_object_agg(g.name, g.data), sum(g.rows) into v_tables, v_rows
    from (
        select f.name, jsonb_agg(f.data order by f.at, f.id) as data, count(*) as rows
        from found as f
        group by f.name
    ) as g;
    perform log_operator(
        p_token, 'export', v_member.id, p_by, '{}', jsonb_build_object('outcome', 'exported', 'rows', v_rows),
        coalesce(p_now, clock_timestamp())
    );
    return jsonb_build_object(
        'outcome', 'exported', 'member', member_card(v_member), 'rows', v_rows, 'tables', v_tables
    );
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
