-- claim_renders: hand out due texts that the agent writes or judges afresh before they may leave.
--
-- Under a lease of their own, message_data.render {token, until, attempt}, which keeps nobody from sending
-- or answering and which a new inbound text takes away (protocol.md, 28). At most one text or sequence of
-- a member at a time, so that the next is judged knowing what became of this one.
--
-- No model call is spent on what may not leave anyway: the gate is asked first, without charging, and
-- holds or supersedes such a text. While the member is being answered, waits for an answer, or has a text
-- in flight, theirs wait a minute.
--
-- arguments    p_token, made by the caller: the same token gets the same claim again
--              p_limit ≤ 50 members; p_lease_s, seconds; p_now
-- result       {outcome: claimed, token, renders [{id, user_id, context: see render_context}],
--               more: may others be due,
--               broken [{id, user_id, code}]: could not be claimed, see put_off_text}
--              {outcome: retry}: the same call still runs
-- locks        the token (advisory), each member's users row, skipping locked ones; one failing member
--              does not disturb the others
-- idempotency  by p_token, as long as a text of the claim is neither committed nor failed
create or replace function claim_renders(
    p_token uuid,
    p_limit integer default 8,
    p_lease_s integer default 45,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    c_max_attempts constant integer := 5;
    c_rows_per_member constant integer := 20;
    c_looked_at_most constant integer := 10000;
    c_member_first constant interval := '1 min';
    v_limit integer := least(greatest(p_limit, 1), 50);
    v_row_id uuid;
    v_candidate uuid;
    v_render jsonb;
    v_mine uuid [] := '{}';
    v_candidates uuid [] := '{}';
    v_looked_at integer := 0;
    v_passed_over integer;
    v_more boolean := false;
    v_member users%rowtype;
    v_text message_queue%rowtype;
    v_attempt integer;
    v_context jsonb;
    v_renders jsonb := '[]';
    v_broken jsonb := '[]';
    v_now timestamptz := coalesce(p_now, clock_timestamp());
begin
    -- A call repeated by an impatient client must not claim beside the one that still runs.
    if not pg_try_advisory_xact_lock(hashtextextended(p_token::text, 0)) then
        return '{"outcome": "retry"}';
    end if;
    -- Row by row in the order of the index message_queue_unjudged, until there are members enough.
    <<ranks>>
    for v_rank in 1..3 loop
        for v_row_id, v_candidate, v_render in
            select q.id, q.user_id, as_object(q.message_data) -> 'render'
            from message_queue as q
            where
                (q.status = 'queued' and (q.final_message is null or q.requires_fresh_context)) is true
                and q.delivered_message_id is null
                and (case q.priority when 'high' then 1 when 'low' then 3 else 2 end) = v_rank
                and q.scheduled_for <= v_now
                and (
                    q.sequence_position > 1
                    and exists (
                        select 1
                        from message_queue as p
                        where
                            p.sequence_id = q.sequence_id
                            and p.sequence_position < q.sequence_position
                            -- Said like this it is no index's condition: see claim_texts.
                            and (p.user_id = q.user_id and p.status = 'queued') is true
                    )
                ) is not true
            order by q.scheduled_for, q.id
        loop
            v_looked_at := v_looked_at + 1;
            if v_looked_at > c_looked_at_most then
                v_more := true;
                exit ranks;
            end if;
            if v_render ->> 'token' = p_token::text then
                v_mine := v_mine || v_row_id;
                continue;
            end if;
            continue when lease_runs(v_render ->> 'until', v_now) or v_candidate = any(v_candidates);
            if cardinality(v_candidates) = v_limit then
                v_more := true;
                exit ranks;
            end if;
            v_candidates := v_candidates || v_candidate;
        end loop;
    end loop;
    if v_mine <> '{}' then
        for v_text in
            select q.* from message_queue as q where q.id = any(v_mine)
        loop
            v_renders := v_renders || jsonb_build_object(
                'id', v_text.id, 'user_id', v_text.user_id, 'context', render_context(v_text, v_now)
            );
        end loop;
        return jsonb_build_object(
            'outcome', 'claimed', 'token', p_token, 'now', v_now, 'more', true, 'renders', v_renders, 'broken', v_broken
        );
    end if;

    foreach v_candidate in array v_candidates loop
        v_text := null;
        begin
            perform 1 from users where id = v_candidate for no key update skip locked;
            if not found then
                v_more := fail_texts_of_nobody(v_candidate) or v_more;
                continue;
            end if;
            v_now := coalesce(p_now, clock_timestamp());
            select * into v_member from users where id = v_candidate;
            continue when exists (
                select 1
                from message_queue as q
                where
                    q.user_id = v_candidate
                    and q.status = 'queued'
                    and q.scheduled_for <= v_now
                    and lease_runs(as_object(q.message_data) #>> '{render,until}', v_now)
            );
            if
                member_is_busy(v_candidate, p_token, v_now)
                or exists (
                    select 1
                    from events as e
                    where
                        e.aggregate_id = v_candidate
                        and e.aggregate_type = 'user'
                        and e.event_type is not distinct from 'user.message.received'
                        and e.processed is not true
                )
                or exists (
                    select 1
                    from message_queue as q
                    where q.user_id = v_candidate and (q.status = 'queued' and q.delivered_message_id is not null) is true
                )
            then
                update message_queue
                set scheduled_for = v_now + c_member_first
                where
                    user_id = v_candidate
                    and status = 'queued'
                    and delivered_message_id is null
                    and scheduled_for <= v_now
                    and (final_message is null or requires_fresh_context);
                continue;
            end if;
            v_passed_over := 0;
            for v_text in
                select q.*
                from message_queue as q
                where
                    q.user_id = v_candidate
                    and q.status = 'queued'
                    and q.delivered_message_id is null
                    and q.scheduled_for <= v_now
                    and (q.final_message is null or q.requires_fresh_context)
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
                if gate_text(v_text, v_member, v_now, false) is null then
                    v_passed_over := v_passed_over + 1;
                    -- Behind so many that may not leave, another may.
                    v_more := v_more or v_passed_over = c_rows_per_member;
                    continue;
                end if;
                v_render := as_object(as_object(v_text.message_data) -> 'render');
                v_attempt := coalesce(as_count(v_render ->> 'attempt'), 0) + 1;
                if v_attempt > c_max_attempts then
                    perform drop_text(v_text, 'could not be judged: ' || c_max_attempts || ' attempts');
                    continue;
                end if;
                v_context := render_context(v_text, v_now);
                update message_queue
                set
                    message_data = as_object(message_data) || jsonb_build_object(
                        'render', v_render || jsonb_build_object(
                            'token', p_token, 'until', lease_end(p_lease_s, v_now), 'attempt', v_attempt
                        )
                    )
                where
                    user_id = v_candidate
                    and status = 'queued'
                    and delivered_message_id is null
                    and coalesce(sequence_id, id) = coalesce(v_text.sequence_id, v_text.id);
                v_renders := v_renders || jsonb_build_object('id', v_text.id, 'user_id', v_candidate, 'context', v_context);
                exit;
            end loop;
        exception
            when lock_not_available then
                null; -- Somebody works for this member; their texts are still due at the next claim.
            when data_exception or integrity_constraint_violation then
                v_more := true;
                v_broken := v_broken || jsonb_build_object('id', v_text.id, 'user_id', v_candidate, 'code', sqlstate);
                perform put_off_text(v_candidate, v_text.id, sqlstate, v_now);
        end;
    end loop;
    return jsonb_build_object(
        'outcome', 'claimed', 'token', p_token, 'now', v_now, 'more', v_more,
        'renders', v_renders, 'broken', v_broken
    );
end;
$$;
