-- gate_text: may this text leave now? Charges the budget if so, unless it is only asked.
--
-- The one place of message discipline: opt-out, whom we serve, superseding, sequences, exemptions, quiet
-- hours, daily and hourly budget, in this order (behaviour.md, "message_queue"; protocol.md, 20, 24-27).
-- What may not leave now is held, superseded or failed here, and the row says why.
--
-- arguments    p_text, a queued row nobody has in flight; p_member; p_now
--              p_charge, false to ask before the text is written or judged (claim_renders)
-- result       null: not now; else {counted, charged_on} to be kept in message_data
-- locks        the caller holds lock_member
create or replace function gate_text(
    p_text message_queue, p_member users, p_now timestamptz, p_charge boolean default true
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_data jsonb := as_object(p_text.message_data);
    v_kind text := coalesce(v_data ->> 'kind', 'proactive');
    v_topic text := nullif(v_data ->> 'topic', '');
    v_zone text := member_zone(p_member.timezone, p_member.phone_number);
    v_today date := (p_now at time zone v_zone)::date;
    v_budget user_message_budget%rowtype;
    v_newer uuid;
    v_until timestamptz;
    v_previous message_queue%rowtype;
    v_parts integer;
    v_ended integer;
    v_last_insert timestamptz;
    v_sent integer;
    v_oldest timestamptz;
begin
    if is_opted_out(p_member.id) and v_data ->> 'confirmation' is distinct from 'true' then
        update message_queue
        set
            status = 'superseded',
            superseded_reason = 'opted out'
        where id = p_text.id;
        return null;
    end if;

    -- Nothing is said unasked to who was rejected or suspended; an operator's own words are a system text.
    if v_kind = 'proactive' and p_member.status_level in ('rejected', 'suspended') then
        perform drop_text(p_text, p_member.status_level);
        return null;
    end if;

    if v_topic is not null and coalesce(p_text.sequence_position, 1) = 1 then
        select q.id into v_newer
        from message_queue as q
        where
            q.user_id = p_text.user_id
            -- One that overtook this text, while it was held or given back, supersedes it as well.
            and (q.status = 'queued' or (q.status = 'sent' and q.sent_at > queued_at(p_text)))
            and as_object(q.message_data) ->> 'topic' = v_topic
            and coalesce(q.sequence_id, q.id) <> coalesce(p_text.sequence_id, p_text.id)
            -- A sequence is as old as its first part, however late the others come.
            and coalesce(q.sequence_position, 1) = 1
            and (queued_at(q), q.id) > (queued_at(p_text), p_text.id)
        order by queued_at(q) desc, q.id desc
        limit 1;
        if v_newer is not null then
            update message_queue
            set
                status = 'superseded',
                superseded_by_message_id = v_newer,
                superseded_reason = 'newer text on the same topic'
            where
                user_id = p_text.user_id
                and status = 'queued'
                and delivered_message_id is null
                and coalesce(sequence_id, id) = coalesce(p_text.sequence_id, p_text.id);
            return null;
        end if;
    end if;

    if p_text.sequence_id is not null and coalesce(p_text.sequence_position, 1) > 1 then
        select * into v_previous
        from message_queue as q
        where
            q.sequence_id = p_text.sequence_id
            and q.user_id = p_text.user_id
            and q.sequence_position = p_text.sequence_position - 1
        limit 1;
        if v_previous.status = 'sent' then
            return '{"counted": false}';
        end if;
    end if;
    if p_text.sequence_id is not null then
        select
            count(*),
            count(*) filter (where q.status in ('failed', 'superseded')),
            max(queued_at(q))
        into v_parts, v_ended, v_last_insert
        from message_queue as q
        where q.sequence_id = p_text.sequence_id and q.user_id = p_text.user_id;
        -- All or nothing: while the first was being sent, STOP may have ended the others.
        if v_ended > 0 then
            perform fail_text(p_text.id, 'sequence');
            return null;
        end if;
        if v_parts < coalesce(p_text.sequence_total, v_parts) then
            if v_last_insert <= p_now - interval '10 min' then
                perform fail_text(p_text.id, 'sequence_incomplete');
            else
                perform hold_text(p_text.id, 'sequence_incomplete', v_last_insert + interval '10 min');
            end if;
            return null;
        end if;
        if coalesce(p_text.sequence_position, 1) > 1 then
            perform fail_text(p_text.id, 'sequence'); -- the one before it will never leave
            return null;
        end if;
    end if;

    if
        v_kind = 'system'
        or (
            v_kind = 'reply'
            and (
                select max(m.created_at) >= p_now - interval '10 min'
                from messages as m
                where m.user_id = p_member.id and m.direction = 'inbound' and m.created_at >= p_now - interval '10 min'
            )
        )
    then
        return '{"counted": false}';
    end if;

    v_budget := budget_today(p_member.id, v_today, p_now);
    if v_budget.quiet_hours_enabled is not false then
        v_until := quiet_until(p_member.quiet_hours_start, p_member.quiet_hours_end, v_zone, p_now);
        if v_until is not null then
            perform hold_text(p_text.id, 'quiet_hours', v_until);
            return null;
        end if;
    end if;
    if coalesce(v_budget.messages_sent, 0) >= coalesce(v_budget.daily_limit, 5) then
        v_until := local_instant((v_today + 1)::timestamp, v_zone);
        if v_budget.quiet_hours_enabled is not false then
            v_until := coalesce(
                quiet_until(p_member.quiet_hours_start, p_member.quiet_hours_end, v_zone, v_until), v_until
            );
        end if;
        perform hold_text(p_text.id, 'daily_limit', v_until);
        return null;
    end if;
    select count(distinct coalesce(q.sequence_id, q.id)), min(q.sent_at)
    into v_sent, v_oldest
    from message_queue as q
    where
        q.user_id = p_member.id
        and q.sent_at > p_now - interval '1 h'
        and as_object(q.message_data) ->> 'counted' = 'true';
    if v_sent >= coalesce(v_budget.hourly_limit, 2) then
        perform hold_text(p_text.id, 'hourly_limit', coalesce(v_oldest, p_now) + interval '1 h');
        return null;
    end if;

    if p_charge then
        update user_message_budget
        set
            messages_sent = coalesce(messages_sent, 0) + 1,
            last_message_at = p_now
        where id = v_budget.id;
    end if;
    return jsonb_build_object('counted', true, 'charged_on', v_today);
end;
$$;
