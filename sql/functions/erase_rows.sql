-- erase_rows: scrub a member's own rows, and end all that goes on for them.
--
-- The rows stay, with their ids, times, numbers and costs: the ledger refers to them, and a text that
-- Twilio delivers once more must find that it is recorded. What waits or is in flight is over.
--
-- arguments    p_member; p_now
-- locks        the caller holds lock_member
-- idempotency  by state
create or replace function erase_rows(p_member users, p_now timestamptz)
returns void
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_nobody text := 'erased:' || p_member.id;
begin
    update events
    set
        payload = '{}',
        processed = true,
        metadata = jsonb_build_object('done', jsonb_build_object('result', 'erased', 'at', p_now))
    where
        aggregate_id = p_member.id
        or aggregate_id in (select q.id from community_requests as q where q.requesting_user_id = p_member.id);
    update agent_tasks
    set
        status = case when status in ('pending', 'processing') or status is null then 'completed' else status end,
        completed_at = coalesce(completed_at, p_now),
        context_json = '{}',
        result_json = '{"erased": true}',
        error_log = null
    where user_id = p_member.id;
    update agent_tasks
    set status = 'completed'
    where user_id = p_member.id and status = 'failed';
    update messages as m
    set status = 'failed'
    from message_queue as q
    where q.user_id = p_member.id and q.status = 'queued' and m.id = q.id and m.twilio_message_sid is null;
    update messages set content = '(erased)' where user_id = p_member.id;
    update message_queue
    set
        status = case when status = 'queued' then 'failed' else status end,
        final_message = '(erased)',
        superseded_reason = null,
        requires_fresh_context = false,
        message_data = jsonb_strip_nulls(jsonb_build_object(
            'kind', as_object(message_data) -> 'kind',
            'counted', as_object(message_data) -> 'counted',
            'charged_on', as_object(message_data) -> 'charged_on',
            'segments', as_object(message_data) -> 'segments',
            'cost_usd', as_object(message_data) -> 'cost_usd',
            'error_code', case when status = 'queued' then to_jsonb('erased'::text) end
        ))
    where user_id = p_member.id;
    update user_priorities
    set status = 'expired'
    where user_id = p_member.id and status in ('active', 'presented');
    update solution_workflows
    set
        request_description = '(erased)',
        category = null,
        status = case when status = 'in_progress' then 'cancelled' else status end,
        perplexity_results = null,
        matched_innovators = null,
        community_insights = null,
        expert_recommendations = null,
        next_action = null,
        pending_tasks = '[]',
        completed_tasks = '[]',
        conversation_log = '[]'
    where user_id = p_member.id;
    update community_requests
    set
        question = '(erased)',
        category = null,
        expertise_needed = null,
        requester_context = null,
        request_summary = null,
        status = 'closed',
        closed_loop_at = coalesce(closed_loop_at, p_now),
        closed_loop_message = null
    where requesting_user_id = p_member.id;
    update community_responses
    set
        response_text = '(erased)',
        verbatim_answer = '(erased)'
    where user_id = p_member.id;
    -- What came of others' answers is told in the words of who asked.
    update community_responses
    set
        impact_description = null,
        closed_loop_message = case when closed_loop_message is not null then '(erased)' end
    where request_id in (select q.id from community_requests as q where q.requesting_user_id = p_member.id);
    update intro_opportunities as o
    set
        prospect_name = '(erased)',
        prospect_company = null,
        prospect_title = null,
        prospect_linkedin_url = null,
        intro_email = null,
        status = case when o.status in ('open', 'accepted') then 'declined' else o.status end
    where
        o.prospect_id in (
            select p.id
            from prospects as p
            where
                is_prospect(p, p_member)
                or p.innovator_id in (select i.id from innovators as i where i.user_id = p_member.id)
        )
        or o.innovator_id in (select i.id from innovators as i where i.user_id = p_member.id)
        or linkedin_name(o.prospect_linkedin_url) = linkedin_name(p_member.linkedin_url);
    update intro_opportunities
    set innovator_name = null
    where innovator_id in (select i.id from innovators as i where i.user_id = p_member.id);
    update intro_opportunities
    set
        connector_response = null,
        intro_email = null,
        status = case when status in ('open', 'accepted') then 'declined' else status end
    where connector_user_id = p_member.id;
    update prospects as p
    set
        email = null,
        phone_number = null,
        linkedin_url = null,
        first_name = null,
        last_name = null,
        company = null,
        title = null,
        upload_source = null,
        prospect_notes = null,
        target_solution_categories = null,
        metadata = null,
        status = case when p.status = 'pending' then 'inactive' else p.status end
    where
        is_prospect(p, p_member)
        or p.innovator_id in (select i.id from innovators as i where i.user_id = p_member.id);
    update linkedin_research_prospects as r
    set
        name = '(erased)',
        company = null,
        title = null,
        linkedin_url = null,
        email = null,
        mutual_connections = null
    where is_researched(r, p_member);
    update linkedin_research_prospects
    set users_researching = array_remove(users_researching, p_member.id)
    where p_member.id = any(users_researching);
    update innovators
    set
        company_name = '(erased)',
        solution_description = null,
        categories = null,
        target_customer_profile = null,
        video_url = null,
        active = false
    where user_id = p_member.id;
    update agent_instances
    set
        config_json = '{}',
        status = 'terminated',
        terminated_at = coalesce(terminated_at, p_now)
    where user_id = p_member.id;
    update agent_actions_log
    set
        input_data = case when agent_type = 'operator' then input_data - 'chars' end,
        output_data = case when agent_type = 'operator' then output_data end,
        error = null
    where user_id = p_member.id;
    update conversations
    set
        phone_number = v_nobody,
        status = 'archived',
        conversation_summary = null
    where user_id = p_member.id;
    update users
    set
        phone_number = v_nobody,
        email = null,
        first_name = null,
        last_name = null,
        company = null,
        title = null,
        linkedin_url = null,
        verified = false,
        email_verified = false,
        innovator = false,
        expert_connector = false,
        expertise = null,
        poc_agent_id = null,
        poc_agent_type = null,
        quiet_hours_start = null,
        quiet_hours_end = null,
        timezone = null,
        response_pattern = null,
        status_level = 'erased',
        referred_by = null,
        name_dropped = null,
        updated_at = p_now
    where id = p_member.id;
end;
$$;
