-- erase_member: erase a person: their rows are scrubbed, and so is what others' rows say of them.
--
-- The rows stay, so that the ledger and what others earned still add up. Whatever is decided for them at
-- the moment is refused at its commit; whatever was decided for others with their words at hand is decided
-- again. Whoever writes from the number later is somebody new.
--
-- arguments    p_phone; p_by, who erases; p_token, made by the caller
--              p_national, the digits of the number without its country's code; p_now
-- result       {outcome: erased, id: their users.id}
--              {outcome: unknown}   nobody has this number
--              {outcome: retry}
-- locks        the users rows of the member and of all whose rows are scrubbed, sorted
-- idempotency  by p_token, and by state
create or replace function erase_member(
    p_phone text, p_by text, p_token uuid, p_national text default null, p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
-- PostgREST lets the call have it, too.
set statement_timeout = '120s'
as $$
declare
    c_shortest_quote constant integer := 16;
    v_member users%rowtype;
    v_words text [];
    v_reached uuid [];
    v_items text [];
    v_others uuid [];
    v_id uuid;
    v_text message_queue%rowtype;
    v_done jsonb;
    v_now timestamptz;
begin
    v_done := operator_result(p_token);
    if v_done is not null then
        return v_done - 'member';
    end if;
    select * into v_member from users where phone_number = p_phone;
    if not found then
        return '{"outcome": "unknown"}';
    end if;
    for v_round in 1..2 loop
        v_reached := array(
            select distinct r.id
            from (
                select unnest(q.target_user_ids) as id from community_requests as q where q.requesting_user_id = v_member.id
                union all
                select a.user_id
                from community_responses as a
                inner join community_requests as q on a.request_id = q.id
                where q.requesting_user_id = v_member.id
                union all
                select (w.value ->> 'user_id')::uuid
                from community_responses as a
                cross join lateral jsonb_array_elements(requesters_of(a.request_id)) as w
                where a.user_id = v_member.id
                union all
                select o.connector_user_id from intro_opportunities as o where is_about(o, v_member)
                union all
                select f.user_id from workflows_from(v_member.id) as f
            ) as r
            where r.id <> v_member.id
        );
        v_items := array(
            select p.id::text
            from user_priorities as p
            where
                p.user_id <> v_member.id
                and p.item_id in (
                    select q.id from community_requests as q where q.requesting_user_id = v_member.id
                    union all
                    select a.id
                    from community_responses as a
                    inner join community_requests as q on a.request_id = q.id
                    where a.user_id = v_member.id or q.requesting_user_id = v_member.id
                    union all
                    select o.id from intro_opportunities as o where is_about(o, v_member)
                    union all
                    select f.id from workflows_from(v_member.id) as f
                )
        );
        v_words := array(
            select distinct plain_words(w.words)
            from (
                select m.content as words
                from messages as m
                where m.user_id = v_member.id and m.direction = 'inbound'
                union all
                select unnest(array[q.question, q.requester_context, q.closed_loop_message])
                from community_requests as q
                where q.requesting_user_id = v_member.id
                union all
                select unnest(array[a.response_text, a.verbatim_answer])
                from community_responses as a
                where a.user_id = v_member.id
                union all
                select unnest(array[a.impact_description, a.closed_loop_message])
                from community_responses as a
                inner join community_requests as q on a.request_id = q.id
                where q.requesting_user_id = v_member.id
            ) as w
            where length(plain_words(w.words)) >= c_shortest_quote
        );
        if v_round = 1 then
            v_others := v_reached || scrub_quotes(v_member, p_national, v_words, v_reached, false);
            for v_id in
                select u.id from users as u where u.id = any(v_others || v_member.id) order by u.id
            loop
                perform lock_member(v_id);
            end loop;
            v_now := coalesce(p_now, clock_timestamp());
            select * into v_member from users where id = v_member.id and phone_number = p_phone;
            if not found then
                return '{"outcome": "unknown"}';
            end if;
        elsif not (v_reached || scrub_quotes(v_member, p_national, v_words, v_reached, false)) <@ v_others then
            -- Somebody has just quoted them, and is not locked.
            return '{"outcome": "retry"}';
        end if;
    end loop;

    -- Who decides with the member's words at hand decides again, without them.
    update events
    set
        metadata = metadata - 'lease' - 'alone'
        || jsonb_build_object('attempt', greatest(coalesce(as_count(metadata ->> 'attempt'), 1) - 1, 0))
    where
        aggregate_id = any(v_others)
        and aggregate_type = 'user'
        and processed is not true
        and as_object(metadata) ? 'lease';
    update agent_tasks
    set
        status = 'pending',
        retry_count = greatest(coalesce(retry_count, 1) - 1, 0),
        result_json = as_object(result_json) - 'claim'
    where user_id = any(v_others) and status = 'processing';
    update message_queue
    set message_data = message_data - 'render'
    where user_id = any(v_others) and status = 'queued' and as_object(message_data) ? 'render';

    update user_priorities
    set status = 'expired'
    where
        item_type = 'solution_update'
        and status in ('active', 'presented')
        and item_id in (select f.id from workflows_from(v_member.id) as f);
    update solution_workflows
    set
        expert_recommendations = case
            when expert_recommendations is not null then as_object(expert_recommendations) || '{"text": "(erased)"}'
        end,
        matched_innovators = null
    where id in (select f.id from workflows_from(v_member.id) as f);
    perform erase_rows(v_member, v_now);
    -- What was to be said to others about the member's questions and answers.
    for v_text in
        select q.*
        from message_queue as q
        where q.user_id = any(v_reached) and as_object(q.message_data) -> 'items' ?| v_items
    loop
        if v_text.status = 'queued' and v_text.delivered_message_id is null then
            perform drop_text(v_text, 'erased');
        end if;
        update message_queue set final_message = '(erased)' where id = v_text.id;
        update messages set content = '(erased)' where id = v_text.id;
    end loop;
    perform scrub_quotes(v_member, p_national, v_words, v_reached, true);
    for v_text in
        select q.*
        from message_queue as q
        where q.user_id = any(v_others) and q.status = 'queued' and strpos(q.final_message, '(erased)') > 0
    loop
        if v_text.delivered_message_id is null then
            perform drop_text(v_text, 'erased');
        else
            -- Not to be looked up at Twilio by words that it never had, and sent again.
            update messages set status = 'failed' where id = v_text.id and twilio_message_sid is null;
            perform fail_text(v_text.id, 'erased');
        end if;
    end loop;
    -- Summaries tell in other words: they are made again, of texts that are scrubbed.
    update conversations as c
    set
        conversation_summary = null,
        last_summary_message_id = null,
        messages_since_summary = (select count(*) from messages as m where m.conversation_id = c.id)
    where c.user_id = any(v_others) and c.conversation_summary is not null;
    delete from agent_tasks
    where
        user_id = any(v_others)
        and task_type = 'create_conversation_summary'
        and status in ('completed', 'failed');
    update user_priorities
    set
        status = 'expired',
        presented_at = null
    where id::text = any(v_items);

    perform log_operator(
        p_token, 'erase', v_member.id, p_by, '{}',
        jsonb_build_object('outcome', 'erased', 'id', v_member.id), v_now
    );
    return jsonb_build_object('outcome', 'erased', 'id', v_member.id);
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
