-- claim_texts: hand out the texts that are to leave now, at most one for each member.
--
-- Each text returned is recorded as in flight before Twilio hears of it: the queue row carries the
-- send token, and a message with status sending exists under the queue row's id (protocol.md, 20).
--
-- arguments    p_token, made by the caller
--              p_user_id, that member only (waits for the lock), or null: every member with a text
--              due (members somebody else holds are skipped)
--              p_limit ≤ 200 members; p_now
-- result       {outcome: claimed, token, sends [{id, user_id, to, body}], more: are members left over}
-- locks        each member's users row; one failing member does not disturb the others
-- idempotency  the same token gets its unanswered sends again
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
    v_limit integer := least(greatest(p_limit, 1), 200);
    v_candidate uuid;
    v_member users%rowtype;
    v_text message_queue%rowtype;
    v_charge jsonb;
    v_conversation_id uuid;
    v_sends jsonb := '[]';
    v_seen integer := 0;
    v_more boolean := false;
    v_now timestamptz := coalesce(p_now, clock_timestamp());
begin
    for v_candidate in
        select d.user_id
        from (
            select
                q.user_id,
                min(case q.priority when 'high' then 1 when 'low' then 3 else 2 end) as rank,
                min(q.scheduled_for) as due
            from (
                select p.user_id, p.priority, p.scheduled_for
                from message_queue as p
                where
                    p.status = 'queued'
                    and p.delivered_message_id is null
                    and p.scheduled_for <= v_now
                    and (p_user_id is null or p.user_id = p_user_id)
                order by p.scheduled_for
                limit 10000
            ) as q
            group by q.user_id
        ) as d
        order by d.rank, d.due, d.user_id
        limit v_limit + 1
    loop
        v_seen := v_seen + 1;
        if v_seen > v_limit then
            v_more := true;
            exit;
        end if;
        begin
            if p_user_id is not null then
                perform lock_member(v_candidate);
            else
                perform 1 from users where id = v_candidate for no key update skip locked;
                if not found then
                    continue;
                end if;
            end if;
            v_now := coalesce(p_now, clock_timestamp());
            select * into v_member from users where id = v_candidate;
            if exists (
                select 1
                from message_queue
                where user_id = v_candidate and status = 'queued' and delivered_message_id is not null
            ) then
                -- One text in flight per member: the next leaves when this one is settled.
                continue;
            end if;
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
                order by
                    coalesce(q.sequence_position, 1) > 1 desc,
                    case q.priority when 'high' then 1 when 'low' then 3 else 2 end,
                    coalesce(as_time(as_object(q.message_data) #>> '{hold,due}'), q.scheduled_for),
                    q.created_at, q.sequence_position, q.id
                limit c_rows_per_member
            loop
                v_charge := gate_text(v_text, v_member, v_now);
                continue when v_charge is null;
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
                    message_data = (as_object(message_data) - 'hold') || v_charge || jsonb_build_object(
                        'send', jsonb_build_object('token', p_token, 'at', v_now),
                        'attempts', coalesce(as_count(as_object(message_data) ->> 'attempts'), 0) + 1
                    )
                where id = v_text.id;
                v_sends := v_sends || jsonb_build_object(
                    'id', v_text.id, 'user_id', v_candidate, 'to', v_member.phone_number,
                    'body', v_text.final_message
                );
                exit;
            end loop;
        exception
            when lock_not_available then
                null; -- Somebody works for this member; they will go on with what waits.
            when data_exception or integrity_constraint_violation then
                raise warning 'texts of member % cannot be claimed (%)', v_candidate, sqlstate;
                update message_queue
                set scheduled_for = v_now + interval '10 min'
                where
                    user_id = v_candidate
                    and status = 'queued'
                    and delivered_message_id is null
                    and scheduled_for <= v_now;
        end;
    end loop;
    return jsonb_build_object(
        'outcome', 'claimed', 'token', p_token, 'now', v_now, 'more', v_more,
        'sends', case
            when jsonb_array_length(v_sends) > 0 then v_sends
            else coalesce((
                select jsonb_agg(jsonb_build_object(
                    'id', q.id, 'user_id', q.user_id, 'to', u.phone_number, 'body', q.final_message
                ))
                from message_queue as q
                inner join users as u on u.id = q.user_id
                where
                    q.status = 'queued'
                    and q.delivered_message_id is not null
                    and q.sent_at >= v_now - interval '1 min'
                    and as_object(q.message_data) #>> '{send,token}' = p_token::text
            ), '[]')
        end
    );
end;
$$;
