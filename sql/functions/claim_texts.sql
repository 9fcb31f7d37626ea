-- claim_texts: hand out the texts that are to leave now, at most one for each member.
--
-- Each text returned is recorded as in flight before Twilio hears of it: the queue row carries the
-- send token, and a message with status sending exists under the queue row's id (protocol.md, 20).
-- The first text that a number is ever sent, whoever queued it, says who writes and how to opt out.
--
-- arguments    p_token, made by the caller
--              p_user_id, that member only (waits for the lock), or null: every member with a text
--              due (members somebody else holds are skipped)
--              p_limit ≤ 200 members; p_now
-- result       {outcome: claimed, token, sends [{id, user_id, to, body, valid_s}],
--               more: are members left over,
--               broken [{id, user_id, code}]: could not be claimed; put off for ten minutes at a time, failed
--               after a day, and the row says why}
--              {outcome: retry}: the same call still runs
-- locks        the token (advisory), each member's users row; one failing member does not disturb the others
-- idempotency  the same token gets its unanswered sends again, and claims nothing more
create or replace function claim_texts(
    p_token uuid,
    p_user_id uuid default null,
    p_limit integer default 20,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    c_rows_per_member constant integer := 20;
    c_looked_at_most constant integer := 10000;
    c_notice constant text := 'Yachtparty. Reply STOP to opt out, HELP for help.';
    v_limit integer := least(greatest(p_limit, 1), 200);
    v_candidate uuid;
    v_member users%rowtype;
    v_text message_queue%rowtype;
    v_charge jsonb;
    v_conversation_id uuid;
    v_sends jsonb := '[]';
    v_candidates uuid [] := '{}';
    v_seen uuid [];
    v_looked_at integer := 0;
    v_passed_over integer;
    v_more boolean := false;
    v_broken jsonb := '[]';
    v_now timestamptz := coalesce(p_now, clock_timestamp());
begin
    -- A call repeated by an impatient client must not claim beside the one that still runs.
    if not pg_try_advisory_xact_lock(hashtextextended(p_token::text, 0)) then
        return '{"outcome": "retry"}';
    end if;
    select jsonb_agg(
        jsonb_build_object(
            'id', q.id, 'user_id', q.user_id, 'to', u.phone_number, 'body', q.final_message,
            'valid_s', valid_for(q, u, (as_object(q.message_data) ->> 'counted')::boolean, v_now)
        )
        order by q.sent_at, q.id
    )
    into v_sends
    from message_queue as q
    inner join users as u on u.id = q.user_id
    where
        (q.status = 'queued' and q.delivered_message_id is not null) is true
        and q.sent_at >= v_now - interval '1 min'
        and as_object(q.message_data) #>> '{send,token}' = p_token::text;
    if v_sends is not null then
        return jsonb_build_object(
            'outcome', 'claimed', 'token', p_token, 'now', v_now, 'more', true, 'sends', v_sends, 'broken', '[]'::jsonb
        );
    end if;
    v_sends := '[]';
    if p_user_id is not null then
        v_candidates := array[p_user_id];
    else
        -- Row by row in the order of the index message_queue_ready, until there are members enough: what
        -- waits behind them costs nothing. Who has a text in flight gets no other.
        v_seen := array(
            select distinct q.user_id
            from message_queue as q
            where (q.status = 'queued' and q.delivered_message_id is not null) is true
        );
        <<ranks>>
        for v_rank in 1..3 loop
            for v_candidate in
                select q.user_id
                from message_queue as q
                where
                    (q.status = 'queued' and q.final_message is not null and q.requires_fresh_context is not true)
                    is true
                    and q.delivered_message_id is null
                    and (case q.priority when 'high' then 1 when 'low' then 3 else 2 end) = v_rank
                    and q.scheduled_for <= v_now
                    -- Behind a part that cannot leave yet, others must not take the place of members who have one
                    -- that can; but one may have come that makes their sequence complete.
                    and (
                        q.sequence_position > 1
                        and exists (
                            select 1
                            from message_queue as p
                            where
                                p.sequence_id = q.sequence_id
                                and p.sequence_position < q.sequence_position
                                -- Said like this it is no index's condition: a planner with old statistics
                                -- would read all that is queued for each part.
                                and (p.user_id = q.user_id and p.status = 'queued') is true
                                and as_object(p.message_data) #>> '{hold,rule}' is distinct from 'sequence_incomplete'
                        )
                    ) is not true
                order by q.scheduled_for, q.id
            loop
                v_looked_at := v_looked_at + 1;
                if v_looked_at > c_looked_at_most then
                    -- One member's heap hides the others until its rows are sent or held.
                    v_more := true;
                    exit ranks;
                end if;
                continue when v_candidate = any(v_seen);
                if cardinality(v_candidates) = v_limit then
                    v_more := true;
                    exit ranks;
                end if;
                v_seen := v_seen || v_candidate;
                v_candidates := v_candidates || v_candidate;
            end loop;
        end loop;
    end if;

    foreach v_candidate in array v_candidates loop
        v_text := null;
        begin
            if p_user_id is not null then
                perform lock_member(v_candidate);
            else
                perform 1 from users where id = v_candidate for no key update skip locked;
                if not found then
                    v_more := fail_texts_of_nobody(v_candidate) or v_more;
                    continue;
                end if;
            end if;
            v_now := coalesce(p_now, clock_timestamp());
            select * into v_member from users where id = v_candidate;
            if exists (
                select 1
                from message_queue
                where user_id = v_candidate and (status = 'queued' and delivered_message_id is not null) is true
            ) then
                -- One text in flight per member: the next leaves when this one is settled.
                continue;
            end if;
            -- A sequence that has become complete need not wait for its ten minutes to end.
            update message_queue as q
            set
                scheduled_for = coalesce(as_time(q.message_data #>> '{hold,due}'), v_now),
                message_data = q.message_data - 'hold'
            where
                q.user_id = v_candidate
                and q.status = 'queued'
                and q.sequence_id is not null
                and as_object(q.message_data) #>> '{hold,rule}' = 'sequence_incomplete'
                and q.sequence_total <= (
                    select count(*)
                    from message_queue as p
                    where p.sequence_id = q.sequence_id and p.user_id = q.user_id
                );
            v_passed_over := 0;
            for v_text in
                select q.*
                from message_queue as q
                where
                    q.user_id = v_candidate
                    and q.status = 'queued'
                    and q.delivered_message_id is null
                    and q.scheduled_for <= v_now
                    and q.final_message is not null
                    and q.requires_fresh_context is not true
                    -- Any number of later parts must not hide the first.
                    and (
                        q.sequence_position > 1
                        and exists (
                            select 1
                            from message_queue as p
                            where
                                p.sequence_id = q.sequence_id
                                and p.sequence_position < q.sequence_position
                                and (p.user_id = q.user_id and p.status = 'queued') is true
                        )
                    ) is not true
                order by
                    coalesce(q.sequence_position, 1) > 1 desc,
                    case q.priority when 'high' then 1 when 'low' then 3 else 2 end,
                    coalesce(as_time(as_object(q.message_data) #>> '{hold,due}'), q.scheduled_for),
                    q.created_at, q.sequence_position, q.id
                limit c_rows_per_member
            loop
                v_charge := gate_text(v_text, v_member, v_now);
                if v_charge is null then
                    v_passed_over := v_passed_over + 1;
                    -- Behind so many that may not leave, another may.
                    v_more := v_more or v_passed_over = c_rows_per_member;
                    continue;
                end if;
                select c.id into v_conversation_id
                from conversations as c
                where c.user_id = v_candidate
                order by
                    (c.id = v_text.conversation_context_id) desc nulls last,
                    (c.status = 'active') desc nulls last, c.created_at desc nulls last
                limit 1;
                if v_conversation_id is null then
                    insert into conversations (user_id, phone_number, status, created_at, updated_at)
                    values (v_candidate, v_member.phone_number, 'active', v_now, v_now)
                    returning id into v_conversation_id;
                end if;
                if
                    v_text.final_message <> ''
                    and not (v_text.final_message like '%Yachtparty%' and v_text.final_message like '%STOP%')
                    and as_object(v_text.message_data) ->> 'confirmation' is distinct from 'true'
                    and not exists (
                        select 1
                        from messages as m
                        where
                            m.user_id = v_candidate
                            and m.direction = 'outbound'
                            and coalesce(m.status, 'sent') not in ('failed', 'undelivered')
                    )
                then
                    v_text.final_message := v_text.final_message || E'\n\n' || c_notice;
                end if;
                insert into messages (
                    id, conversation_id, user_id, role, content, direction, status, created_at
                )
                values (
                    v_text.id, v_conversation_id, v_candidate, 'assistant', v_text.final_message, 'outbound',
                    'sending', v_now
                );
                update message_queue
                set
                    delivered_message_id = id,
                    sent_at = v_now,
                    final_message = v_text.final_message,
                    message_data = (as_object(message_data) - 'hold' - 'refunded_on') || v_charge || jsonb_build_object(
                        'send', jsonb_build_object('token', p_token, 'at', v_now),
                        'attempts', coalesce(as_count(as_object(message_data) ->> 'attempts'), 0) + 1
                    )
                where id = v_text.id;
                v_sends := v_sends || jsonb_build_object(
                    'id', v_text.id, 'user_id', v_candidate, 'to', v_member.phone_number,
                    'body', v_text.final_message,
                    'valid_s', valid_for(v_text, v_member, (v_charge ->> 'counted')::boolean, v_now)
                );
                exit;
            end loop;
        exception
            when lock_not_available then
                null; -- Somebody works for this member; they will go on with what waits.
            when data_exception or integrity_constraint_violation then
                v_more := true;
                v_broken := v_broken || jsonb_build_object('id', v_text.id, 'user_id', v_candidate, 'code', sqlstate);
                perform put_off_text(v_candidate, v_text.id, sqlstate, v_now);
        end;
    end loop;
    return jsonb_build_object(
        'outcome', 'claimed', 'token', p_token, 'now', v_now, 'more', v_more,
        'sends', v_sends, 'broken', v_broken
    );
end;
$$;
