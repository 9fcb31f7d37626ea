-- The documented indexes, wherever no index on the same columns exists under whatever name.
--
-- A database that exists already keeps its own names, and pays for no index twice. Primary keys and the
-- documented uniques come with the tables; the uniques are listed for a database that lost one. Others
-- cannot write while an index is built here, so a missing one of a large table is only reported.

do $$
declare
    c_large constant bigint := 64 * 1024 * 1024;
    v_wanted record;
    v_unique text;
    v_rest text;
begin
    for v_wanted in
        select w.index_name, w.table_name, w.key_columns::text [] as key_columns, w.is_unique
        from (
            values
            ('users_phone_number_key', 'users', '{phone_number}', true),
            ('users_email_idx', 'users', '{email}', false),
            ('users_verified_idx', 'users', '{verified}', false),
            ('conversations_user_id_idx', 'conversations', '{user_id}', false),
            ('conversations_phone_number_idx', 'conversations', '{phone_number}', false),
            ('messages_conversation_id_idx', 'messages', '{conversation_id}', false),
            ('messages_user_id_idx', 'messages', '{user_id}', false),
            ('messages_created_at_idx', 'messages', '{created_at}', false),
            ('events_event_type_idx', 'events', '{event_type}', false),
            ('events_aggregate_id_aggregate_type_idx', 'events', '{aggregate_id,aggregate_type}', false),
            ('events_processed_created_at_idx', 'events', '{processed,created_at}', false),
            ('agent_tasks_status_scheduled_for_idx', 'agent_tasks', '{status,scheduled_for}', false),
            ('agent_tasks_agent_type_status_idx', 'agent_tasks', '{agent_type,status}', false),
            ('agent_tasks_user_id_idx', 'agent_tasks', '{user_id}', false),
            (
                'message_queue_user_id_status_scheduled_for_idx', 'message_queue',
                '{user_id,status,scheduled_for}', false
            ),
            ('message_queue_status_scheduled_for_idx', 'message_queue', '{status,scheduled_for}', false),
            ('message_queue_sequence_id_idx', 'message_queue', '{sequence_id}', false),
            ('user_message_budget_user_id_date_key', 'user_message_budget', '{user_id,date}', true),
            (
                'user_priorities_user_id_item_type_item_id_key', 'user_priorities',
                '{user_id,item_type,item_id}', true
            ),
            (
                'user_priorities_user_id_status_priority_rank_idx', 'user_priorities',
                '{user_id,status,priority_rank}', false
            ),
            ('solution_workflows_user_id_status_idx', 'solution_workflows', '{user_id,status}', false),
            (
                'intro_opportunities_connector_user_id_status_idx', 'intro_opportunities',
                '{connector_user_id,status}', false
            ),
            ('intro_opportunities_innovator_id_idx', 'intro_opportunities', '{innovator_id}', false),
            ('community_requests_status_expires_at_idx', 'community_requests', '{status,expires_at}', false),
            (
                'community_requests_requesting_user_id_idx', 'community_requests',
                '{requesting_user_id}', false
            ),
            ('community_responses_request_id_idx', 'community_responses', '{request_id}', false),
            ('community_responses_user_id_idx', 'community_responses', '{user_id}', false),
            ('community_responses_status_idx', 'community_responses', '{status}', false),
            ('credit_events_idempotency_key_key', 'credit_events', '{idempotency_key}', true),
            ('credit_events_user_id_created_at_idx', 'credit_events', '{user_id,created_at}', false),
            ('credit_events_processed_idx', 'credit_events', '{processed}', false),
            ('innovators_user_id_key', 'innovators', '{user_id}', true),
            ('innovators_active_idx', 'innovators', '{active}', false),
            ('prospects_innovator_id_idx', 'prospects', '{innovator_id}', false),
            ('prospects_status_idx', 'prospects', '{status}', false),
            ('prospects_email_idx', 'prospects', '{email}', false),
            (
                'linkedin_research_prospects_linkedin_url_idx', 'linkedin_research_prospects',
                '{linkedin_url}', false
            ),
            (
                'linkedin_research_prospects_name_company_idx', 'linkedin_research_prospects',
                '{name,company}', false
            ),
            ('agent_instances_agent_type_status_idx', 'agent_instances', '{agent_type,status}', false),
            (
                'agent_actions_log_agent_type_created_at_idx', 'agent_actions_log',
                '{agent_type,created_at}', false
            ),
            ('agent_actions_log_user_id_idx', 'agent_actions_log', '{user_id}', false),
            ('agent_actions_log_action_type_idx', 'agent_actions_log', '{action_type}', false)
        ) as w (index_name, table_name, key_columns, is_unique)
        where not exists (
            select 1
            from pg_index as i
            where
                i.indrelid = to_regclass(w.table_name)
                and i.indisvalid
                and i.indpred is null
                and (i.indisunique or not w.is_unique)
                and (
                    select array_agg(coalesce(a.attname, '') order by k.place)::text []
                    from unnest(i.indkey::smallint []) with ordinality as k (attnum, place)
                    left join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
                    where k.place <= i.indnkeyatts
                ) = w.key_columns::text []
        )
    loop
        v_unique := case when v_wanted.is_unique then 'unique ' else '' end;
        v_rest := format(
            'if not exists %I on public.%I (%s)', v_wanted.index_name, v_wanted.table_name,
            (select string_agg(quote_ident(c), ', ') from unnest(v_wanted.key_columns) as c)
        );
        if pg_relation_size(v_wanted.table_name::regclass) > c_large then
            raise notice '%: the documented index on % is missing and the table is large; make it with: '
                'create %index concurrently %',
                v_wanted.table_name, array_to_string(v_wanted.key_columns, ', '), v_unique, v_rest;
            continue;
        end if;
        begin
            execute 'create ' || v_unique || 'index ' || v_rest;
        exception
            when unique_violation then
                raise notice '%: some rows share the same %, which is documented as unique; '
                    'the index was not made.',
                    v_wanted.table_name, array_to_string(v_wanted.key_columns, ', ');
        end;
    end loop;
end;
$$;
