-- claim_event: take the lease on an event and return all that is needed to decide about it.
--
-- An event of a member is claimed under the member's lease. Claiming one user.message.received
-- takes all of that member's open ones, oldest first, into one turn (protocol.md, 5-10). From its
-- third attempt on, the oldest is claimed alone, so that a text that breaks us cannot spoil its
-- neighbours; while it waits for its next attempt, the others go ahead.
--
-- arguments    p_event_id
--              p_token, made by the caller: the same token gets the same claim again
--              p_lease_s, seconds; at least the decide deadline + 15 s
--              p_replaces, a live token of the caller's own that this claim takes over (after commit
--              answered newer); does not count as an attempt
--              p_now, tests and the local clock only
-- result       {outcome: claimed, token, event, events (ids claimed), alone, context | null, or {unreadable:
--               SQLSTATE} where a row that it is made of cannot be read}
--              {outcome: busy | done | dead | unknown | retry}
--              {outcome: not_due, retry_at}
--              {outcome: skipped, events}: texts of a member who has opted out meanwhile; marked done
-- locks        the member's users row, else the event row
-- idempotency  by p_token
create or replace function claim_event(
    p_event_id uuid,
    p_token uuid,
    p_lease_s integer default 90,
    p_replaces uuid default null,
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
    c_max_texts constant integer := 20;
    v_event events%rowtype;
    v_turn boolean;
    v_readable boolean;
    v_ids uuid [];
    v_alone boolean := false;
    v_dead uuid [];
    v_context jsonb;
    v_now timestamptz;
begin
    select * into v_event from events where id = p_event_id;
    if not found then
        return '{"outcome": "unknown"}';
    end if;
    if v_event.aggregate_type = 'user' and lock_member(v_event.aggregate_id) then
        v_turn := v_event.event_type = 'user.message.received';
    else
        v_turn := false;
    end if;
    select * into v_event from events where id = p_event_id for update;
    v_now := coalesce(p_now, clock_timestamp());
    if p_replaces is not null then
        -- Handed back first, so that what follows is an ordinary claim, also when it is repeated.
        update events
        set
            metadata = as_object(metadata) - 'lease' - 'alone'
            || jsonb_build_object(
                'attempt', greatest(coalesce(as_count(as_object(metadata) ->> 'attempt'), 1) - 1, 0)
            )
        where
            processed is not true
            and metadata #>> '{lease,token}' = p_replaces::text
            and (id = p_event_id or (aggregate_id = v_event.aggregate_id and aggregate_type = 'user'));
        select * into v_event from events where id = p_event_id;
    end if;

    if v_event.processed is true then
        return jsonb_build_object(
            'outcome', case when as_object(v_event.metadata) ? 'dead' then 'dead' else 'done' end
        );
    end if;
    if
        lease_is_live(v_event.metadata, v_now)
        and v_event.metadata #>> '{lease,token}' is distinct from p_token::text
    then
        return '{"outcome": "busy"}';
    end if;
    if
        v_event.aggregate_type = 'user'
        and member_is_busy(v_event.aggregate_id, p_token, v_now)
    then
        return '{"outcome": "busy"}';
    end if;
    if
        v_event.metadata #>> '{lease,token}' is distinct from p_token::text
        and as_time(as_object(v_event.metadata) ->> 'retry_at') > v_now
    then
        return jsonb_build_object('outcome', 'not_due', 'retry_at', v_event.metadata -> 'retry_at');
    end if;

    if v_turn and is_opted_out(v_event.aggregate_id) then
        with closed as (
            update events
            set
                processed = true,
                metadata = as_object(metadata) - 'lease'
                || jsonb_build_object('done', jsonb_build_object('token', p_token, 'result', 'opted out'))
            where
                aggregate_id = v_event.aggregate_id
                and aggregate_type = 'user'
                and event_type is not distinct from 'user.message.received'
                and processed is not true
            returning id
        )

        select array_agg(id) into v_ids from closed;
        return jsonb_build_object('outcome', 'skipped', 'events', to_jsonb(v_ids));
    end if;

    -- A crash counts as an attempt; whatever crashed us five times is a dead letter.
    -- ("is not distinct from" fits no index: on no account is the one on the type to be read, with all texts ever.)
    with spent as (
        update events
        set
            processed = true,
            metadata = as_object(metadata) - 'lease' - 'retry_at'
            || jsonb_build_object('dead', jsonb_build_object('error', 'lease ran out five times', 'at', v_now))
        where
            processed is not true
            and metadata #>> '{lease,token}' is distinct from p_token::text
            and coalesce(as_count(as_object(metadata) ->> 'attempt'), 0) >= c_max_attempts
            and (
                id = p_event_id
                or (
                    v_turn
                    and aggregate_id = v_event.aggregate_id
                    and aggregate_type = 'user'
                    and event_type is not distinct from 'user.message.received'
                )
            )
        returning id
    )

    select array_agg(id) into v_dead from spent;
    if p_event_id = any(v_dead) then
        return '{"outcome": "dead"}';
    end if;

    if exists (
        select 1
        from events
        where
            id = p_event_id
            and metadata #>> '{lease,token}' = p_token::text
    ) then
        -- The same claim again: exactly the rows it took the first time.
        select array_agg(e.id order by e.created_at, e.id)
        into v_ids
        from events as e
        where
            e.processed is not true
            and e.metadata #>> '{lease,token}' = p_token::text
            and (e.id = p_event_id or (e.aggregate_id = v_event.aggregate_id and e.aggregate_type = 'user'));
        select bool_or(as_object(e.metadata) ? 'alone') into v_alone from events as e where e.id = any(v_ids);
    else
        v_readable := v_turn and exists (
            select 1
            from messages as m
            where m.id = as_uuid(as_object(v_event.payload) ->> 'message_id') and m.user_id = v_event.aggregate_id
        );
        if v_readable then
            select array_agg(o.id order by o.created_at, o.id)
            into v_ids
            from (
                select e.id, e.created_at
                from events as e
                where
                    e.aggregate_id = v_event.aggregate_id
                    and e.aggregate_type = 'user'
                    and e.event_type is not distinct from 'user.message.received'
                    and e.processed is not true
                    and exists (
                        select 1
                        from messages as m
                        where m.id = as_uuid(as_object(e.payload) ->> 'message_id') and m.user_id = e.aggregate_id
                    )
                    and (
                        coalesce(as_count(as_object(e.metadata) ->> 'attempt'), 0) < 2
                        or coalesce(as_time(as_object(e.metadata) ->> 'retry_at') <= v_now, true)
                    )
                order by e.created_at, e.id
                limit c_max_texts
            ) as o;
            select coalesce(as_count(as_object(e.metadata) ->> 'attempt'), 0) >= 2
            into v_alone
            from events as e
            where e.id = v_ids[1];
            if v_alone then
                v_ids := v_ids[1:1];
            else
                -- A later text on its third attempt will be its own turn's head.
                select array_agg(e.id order by e.created_at, e.id)
                into v_ids
                from events as e
                where e.id = any(v_ids) and coalesce(as_count(as_object(e.metadata) ->> 'attempt'), 0) < 2;
            end if;
        else
            -- An event without its text is nobody's neighbour either: it dies alone.
            v_ids := array[p_event_id];
            v_alone := v_turn;
        end if;
        update events
        set
            metadata = as_object(metadata) - 'retry_at' - 'alone'
            || jsonb_build_object(
                'lease', jsonb_build_object('token', p_token, 'until', lease_end(p_lease_s, v_now)),
                'attempt', coalesce(as_count(as_object(metadata) ->> 'attempt'), 0) + 1
            )
            || case when v_alone then '{"alone": true}'::jsonb else '{}' end
        where id = any(v_ids);
    end if;

    begin
        v_context := case
            when v_turn then turn_context(v_event.aggregate_id, v_ids, v_now)
            else event_context(v_event, v_now)
        end;
    exception
        -- Without a claim no attempt would count, and whoever wakes us would do so for ever.
        when data_exception or program_limit_exceeded then
            v_context := jsonb_build_object('unreadable', sqlstate);
    end;
    return jsonb_build_object(
        'outcome', 'claimed',
        'token', p_token,
        'now', v_now,
        'events', to_jsonb(v_ids),
        'alone', coalesce(v_alone, false),
        'event', (
            select
                to_jsonb(e)
                || jsonb_build_object('payload', as_readable(e.payload), 'metadata', as_readable(e.metadata))
            from events as e
            where e.id = v_ids[1]
        ),
        'context', v_context
    );
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
