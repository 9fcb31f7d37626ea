-- event_context: everything that deciding an event other than a text needs, as one JSON document
-- (lib/engine/documents.py).
--
-- arguments    p_event, a claimed event; p_now
-- result       the document, or null for a type that needs none
-- locks        none
create or replace function event_context(p_event events, p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return case p_event.event_type
        when 'community.closure_due' then closure_context(p_now)
        when 'community.request_needed' then routing_context(p_event, p_now)
        when 'community.response_received' then shelf_context(p_event.aggregate_id, p_event.payload, p_now)
        when 'community.outcome_reported' then shelf_context(p_event.aggregate_id, p_event.payload, p_now)
        when 'user.inquiry.solution_needed' then solution_context(p_event.aggregate_id, p_event.payload, p_now)
        when 'solution.research_complete' then shelf_context(p_event.aggregate_id, p_event.payload, p_now)
        when 'priority.update' then shelf_context(p_event.aggregate_id, p_event.payload, p_now)
        when 'intro.opportunity_created' then shelf_context(p_event.aggregate_id, p_event.payload, p_now)
        when 'intro.opportunity_accepted' then intro_context(p_event.payload, p_now)
        when 'intro.opportunity_declined' then intro_context(p_event.payload, p_now)
        when 'intro.opportunity_completed' then intro_context(p_event.payload, p_now)
        -- A turn without texts: it goes on where the last one ended.
        when 'user.email_verified' then turn_context(p_event.aggregate_id, array[p_event.id], p_now)
        when 'user.verified' then turn_context(p_event.aggregate_id, array[p_event.id], p_now) || jsonb_build_object(
            'has_been_member', exists (
                select 1
                from events as e
                where
                    e.aggregate_id = p_event.aggregate_id
                    and e.aggregate_type = 'user'
                    and e.event_type = 'user.verified'
                    and e.id <> p_event.id
                    and e.processed is true
            ) or exists (
                select 1
                from agent_instances as a
                where
                    a.user_id = p_event.aggregate_id
                    and a.agent_type <> 'bouncer'
                    and a.created_at < p_event.created_at
            )
        )
    end;
end;
$$;
