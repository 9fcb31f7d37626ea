-- scrub_quotes: take what others' rows say of a member out of them, or only find whose rows these are.
--
-- Everywhere: the member's number, e-mail, LinkedIn and full name (identity_pattern; rows of somebody of
-- the same name keep the name). What was said to those whom the member's questions and answers reached,
-- and what was worked out for others: whatever quotes the member's words, or was sent about them. It reads
-- every text once: seconds for a million.
--
-- arguments    p_member; p_national, see identity_pattern; p_words, plain_words of what the member wrote
--              p_reached, users.id of those whom it reached
--              p_apply, false to change nothing
-- result       ids of the members whose rows these are
-- locks        with p_apply the caller holds the locks of all of them
-- idempotency  nothing is left to be taken out
create or replace function scrub_quotes(
    p_member users, p_national text, p_words text[], p_reached uuid[], p_apply boolean
)
returns uuid[]
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_pattern text := identity_pattern(p_member, p_national, true);
    v_contact text := identity_pattern(p_member, p_national, false);
    v_namesakes uuid [];
    v_table record;
    v_columns text;
    v_matches text;
    v_found uuid [];
    v_owners uuid [] := '{}';
begin
    v_namesakes := array(
        select u.id
        from users as u
        where
            u.id <> p_member.id
            and lower(btrim(u.first_name)) = lower(btrim(p_member.first_name))
            and lower(btrim(u.last_name)) = lower(btrim(p_member.last_name))
    );
    for v_table in
        select t.name, t.owner, t.texts, t.jsons, t.arrays, t.words
        from (
            values
            -- words: rows in which the member's words are looked for
            (
                'users', 'id', '{name_dropped}'::text [], '{response_pattern}'::text [], 'false',
                '{expertise}'::text []
            ),
            ('conversations', 'user_id', '{phone_number,conversation_summary}', '{}', 'false', '{}'),
            (
                'messages', 'user_id', '{content}', '{}',
                't.direction = ''outbound'' and t.user_id = any($4)', '{}'
            ),
            (
                'message_queue', 'user_id', '{final_message,superseded_reason}', '{message_data}',
                't.user_id = any($4)', '{}'
            ),
            (
                'events', 'aggregate_id', '{}', '{payload,metadata}',
                't.event_type = ''message.send.requested'' and t.aggregate_id = any($4)', '{}'
            ),
            ('agent_tasks', 'user_id', '{error_log}', '{context_json,result_json}', 'false', '{}'),
            (
                'solution_workflows', 'user_id', '{request_description,category,next_action}',
                '{perplexity_results,matched_innovators,community_insights,expert_recommendations,pending_tasks,completed_tasks,conversation_log}',
                'true', '{}'
            ),
            (
                'intro_opportunities', 'connector_user_id',
                '{prospect_name,prospect_company,prospect_title,prospect_linkedin_url,innovator_name,connector_response,intro_email}',
                '{}', 'false', '{}'
            ),
            (
                'community_requests', 'requesting_user_id',
                '{question,category,requester_context,request_summary,closed_loop_message}', '{}', 'false',
                '{expertise_needed}'
            ),
            (
                'community_responses', 'user_id',
                '{response_text,verbatim_answer,impact_description,closed_loop_message}', '{}', 'false', '{}'
            ),
            (
                'innovators', 'user_id', '{company_name,solution_description,target_customer_profile,video_url}', '{}',
                'false', '{categories}'
            ),
            (
                'prospects', 'converted_to_user_id',
                '{email,phone_number,linkedin_url,first_name,last_name,company,title,upload_source,prospect_notes}',
                '{metadata}', 'false', '{target_solution_categories}'
            ),
            (
                'linkedin_research_prospects', 'null::uuid', '{name,company,title,linkedin_url,email}',
                '{mutual_connections}', 'false', '{}'
            ),
            ('agent_instances', 'user_id', '{}', '{config_json}', 'false', '{}'),
            ('agent_actions_log', 'user_id', '{error}', '{input_data,output_data}', 'false', '{}')
        ) as t (name, owner, texts, jsons, words, arrays)
    loop
        select string_agg(format(
            '%1$I = %2$st.%1$I, case when %3$s = any($3) then $2 else $1 end, case when %4$s then $5 else ''{}'' end)',
            c.name, case when c.is_json then 'scrubbed_json(' else 'scrubbed(' end, v_table.owner, v_table.words
        ), ', ')
        into v_columns
        from (
            select unnest(v_table.texts) as name, false as is_json
            union all
            select unnest(v_table.jsons), true
        ) as c;
        select concat_ws(', ', v_columns, string_agg(format(
            '%1$I = case when t.%1$I is not null then array(select scrubbed(a.value, '
            || 'case when %2$s = any($3) then $2 else $1 end, ''{}'') from unnest(t.%1$I) as a (value)) end',
            c.name, v_table.owner
        ), ', '))
        into v_columns
        from unnest(v_table.arrays) as c (name);
        -- In the text of JSON quotes and line ends are written otherwise, but not in an identity.
        v_matches := format(
            'concat_ws('' '', %s) ~* case when %s = any($3) then $2 else $1 end',
            (select string_agg(format('t.%I', c), ', ') from unnest(v_table.texts || v_table.jsons || v_table.arrays) as c),
            v_table.owner
        );
        if v_table.words <> 'false' then
            v_matches := format('(%s or (%s and (%s)))', v_matches, v_table.words, (
                select string_agg(format(
                    '%2$st.%1$I, null, $5) is distinct from t.%1$I',
                    c.name, case when c.is_json then 'scrubbed_json(' else 'scrubbed(' end
                ), ' or ')
                from (
                    select unnest(v_table.texts) as name, false as is_json
                    union all
                    select unnest(v_table.jsons), true
                ) as c
            ));
        end if;
        v_matches := format('%s is distinct from $6 and %s', v_table.owner, v_matches);
        if p_apply then
            execute format('update %I as t set %s where %s', v_table.name, v_columns, v_matches)
            using v_pattern, v_contact, v_namesakes, p_reached, p_words, p_member.id;
        else
            execute format('select array_agg(distinct %s) from %I as t where %s', v_table.owner, v_table.name, v_matches)
            into v_found
            using v_pattern, v_contact, v_namesakes, p_reached, p_words, p_member.id;
            v_owners := v_owners || coalesce(v_found, '{}');
        end if;
    end loop;
    return array_remove(v_owners, null);
end;
$$;
