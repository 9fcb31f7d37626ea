-- task_context: everything that deciding a task needs, as one JSON document (lib/engine/documents.py).
--
-- create_conversation_summary: {conversation, messages: up to 200 after the last summary and before any
-- text in flight, oldest first}.
-- process_community_response: {response, request, requesters}.
-- What the solution saga does: solution_context; the account manager: shelf_context; what an agent
-- writes first: turn_context without texts, and for re_engagement_check {unanswered: such
-- texts of 90 days without a text from the member in 72 h,
-- last_written_at: when the last one left}.
--
-- arguments    p_task, a claimed task; p_now
-- result       the document, or null for a type that needs none. Whatever is wrong with the row's ids
--              yields a document with nulls, and where a row that it is made of cannot be read it is
--              {unreadable: SQLSTATE}: the task fails, and no other one is touched.
-- locks        none of its own: meaningful only under the member's lease
create or replace function task_context(p_task agent_tasks, p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    c_max_messages constant integer := 200;
    v_payload jsonb := as_object(p_task.context_json);
    v_conversation conversations%rowtype;
    v_last messages%rowtype;
    v_in_flight messages%rowtype;
begin
    case p_task.task_type
        when 'create_conversation_summary' then
            select * into v_conversation
            from conversations as c
            where c.id = as_uuid(v_payload ->> 'conversation_id') and c.user_id = p_task.user_id;
            select * into v_last from messages as m where m.id = v_conversation.last_summary_message_id;
            -- It may go away and come again later; a summary must end at a message that stays.
            select m.* into v_in_flight
            from message_queue as q
            inner join messages as m on q.delivered_message_id = m.id
            where q.user_id = p_task.user_id and q.status = 'queued' and m.conversation_id = v_conversation.id
            order by m.created_at, m.id
            limit 1;
            return jsonb_build_object(
                'now', p_now,
                'conversation', case when v_conversation.id is not null then
                    to_jsonb(v_conversation) || jsonb_build_object(
                        'messages_since_summary', coalesce(v_conversation.messages_since_summary, 0)
                    )
                end,
                'messages', coalesce((
                    select jsonb_agg(to_jsonb(n) order by n.created_at, n.id)
                    from (
                        select m.id, m.role, m.content, m.status, m.created_at
                        from messages as m
                        where
                            m.conversation_id = v_conversation.id
                            and m.role in ('user', 'assistant')
                            and (m.created_at, m.id) > (
                                coalesce(v_last.created_at, '-infinity'),
                                coalesce(v_last.id, '00000000-0000-0000-0000-000000000000')
                            )
                            and (v_in_flight.id is null or (m.created_at, m.id) < (v_in_flight.created_at, v_in_flight.id))
                        order by m.created_at, m.id
                        limit c_max_messages
                    ) as n
                ), '[]')
            );
        when 'process_community_response' then
            return jsonb_build_object(
                'now', p_now,
                'response', (
                    select to_jsonb(r)
                    from community_responses as r
                    where
                        r.id = as_uuid(v_payload ->> 'response_id')
                        and r.request_id = as_uuid(v_payload ->> 'request_id')
                ),
                'request', (
                    select to_jsonb(q) from community_requests as q where q.id = as_uuid(v_payload ->> 'request_id')
                ),
                'requesters', requesters_of(as_uuid(v_payload ->> 'request_id'))
            );
        when 'research_solution', 'solution_workflow_timeout' then
            return solution_context(p_task.user_id, v_payload, p_now);
        when 'notify_user_of_priorities', 'intro_followup_check' then
            return turn_context(p_task.user_id, '{}', p_now);
        when 're_engagement_check' then
            return turn_context(p_task.user_id, '{}', p_now) || jsonb_build_object(
                'last_written_at', (
                    select max(q.sent_at)
                    from message_queue as q
                    where
                        q.user_id = p_task.user_id
                        and q.status = 'sent'
                        and as_object(q.message_data) ->> 'topic' = 're_engagement'
                ),
                'unanswered', (
                    select count(*)
                    from message_queue as q
                    where
                        q.user_id = p_task.user_id
                        and q.status = 'sent'
                        and q.sent_at > p_now - interval '90 days'
                        and as_object(q.message_data) ->> 'topic' = 're_engagement'
                        and not exists (
                            select 1
                            from messages as m
                            where
                                m.user_id = p_task.user_id
                                and m.direction = 'inbound'
                                and m.created_at > q.sent_at
                                and m.created_at <= q.sent_at + interval '72 h'
                        )
                )
            );
        when
            'community_request_available', 'community_response_available', 'notify_expert_of_impact',
            'account_manager_review'
        then
            return shelf_context(p_task.user_id, v_payload, p_now);
        else
            return null;
    end case;
exception
    when data_exception or program_limit_exceeded then
        return jsonb_build_object('unreadable', sqlstate);
end;
$$;
