-- sweep_events: find events whose wake-up was lost and hand them out to be published again.
--
-- The tables are the truth; Pub/Sub and NOTIFY only wake. Takes open, due, unleased events, one per
-- member, oldest first, and stamps them with a doubling delay, so that an event that cannot be
-- handled is not published every few seconds (protocol.md, 17).
--
-- When an event is due stands in its metadata, which no index knows (protocol.md, 15). So each call looks at
-- the next 2,000 open events and says where it stopped: it costs the same however many wait, and a caller who
-- goes on from there finds every due one, however many wait before it.
--
-- arguments    p_limit ≤ 200; p_after, `next` of the call before, or null: from the oldest on; p_now
-- result       {outcome: swept, events: ids, next: {created_at, id}, or null after the last open event}
-- locks        the events, skipping locked ones
-- idempotency  each call stamps what it returns
create or replace function sweep_events(
    p_limit integer default 200, p_after jsonb default null, p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    c_age constant interval := '1 min';
    c_delay_most constant interval := '10 min';
    c_looked_at_most constant integer := 2000;
    v_limit integer := least(greatest(p_limit, 1), 200);
    v_after_time timestamptz := coalesce((p_after ->> 'created_at')::timestamptz, '-infinity');
    v_after_id uuid := coalesce((p_after ->> 'id')::uuid, '00000000-0000-0000-0000-000000000000');
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_ids jsonb;
    v_next jsonb;
begin
    with looked_at as materialized (
        -- An event without a time comes last, as in the index events_waiting.
        (
            select i.*
            from events as i
            where (i.processed is not true) is true and (i.created_at, i.id) > (v_after_time, v_after_id)
            order by i.created_at, i.id
            limit c_looked_at_most
        )
        union all
        (
            select i.*
            from events as i
            where
                (i.processed is not true) is true
                and i.created_at is null
                and (v_after_time < 'infinity' or i.id > v_after_id)
            order by i.created_at, i.id
            limit c_looked_at_most
        )
        order by created_at, id
        limit c_looked_at_most
    ),

    -- The cheap questions first. A member's next event, if it is here, is the first due one of theirs here.
    due as (
        select distinct on (case when o.aggregate_type = 'user' then o.aggregate_id else o.id end) o.*
        from looked_at as o
        where
            case
                when lease_is_live(o.metadata, v_now) then false
                when as_time(as_object(o.metadata) ->> 'retry_at') > v_now then false
                when
                    -- One of a time ahead would otherwise wait for that.
                    o.created_at between v_now - c_age and v_now
                    and not as_object(o.metadata) ?| '{retry_at,lease}'
                    then false
                else
                    as_time(as_object(o.metadata) ->> 'published_at') is null
                    -- Taken from now and not added to what may be the last time there is.
                    or as_time(o.metadata ->> 'published_at')
                    <= v_now - least(
                        c_age * power(2, least(coalesce(as_count(o.metadata ->> 'published'), 1), 10) - 1),
                        c_delay_most
                    )
                    or as_time(o.metadata ->> 'published_at') > v_now + c_age
                    -- A retry is due when its time comes, however often the event was published before.
                    or as_time(o.metadata ->> 'retry_at') > as_time(o.metadata ->> 'published_at')
            end
        order by
            case when o.aggregate_type = 'user' then o.aggregate_id else o.id end, o.created_at, o.id
    ),

    -- Whether it is the member's next is asked last, and only until there are enough.
    found as materialized (
        select o.*
        from (select * from due order by created_at, id) as o
        where
            case
                when o.aggregate_type = 'user' then o.id = next_open_event(o.aggregate_id, v_now)
                else true
            end
        order by o.created_at, o.id
        limit v_limit
    ),

    unchanged as (
        select e.id
        from events as e
        inner join found as f on f.id = e.id
        where e.processed is not true and e.metadata is not distinct from f.metadata
        for update skip locked
    ),

    stamped as (
        update events as e
        set
            metadata = as_object(e.metadata) || jsonb_build_object(
                'published_at', v_now,
                'published', coalesce(as_count(as_object(e.metadata) ->> 'published'), 0) + 1
            )
        from unchanged
        where e.id = unchanged.id
        returning e.id, e.created_at
    )

    select
        (select jsonb_agg(s.id order by s.created_at, s.id) from stamped as s),
        (
            select jsonb_build_object('created_at', coalesce(l.created_at, 'infinity'), 'id', l.id)
            from (
                select f.created_at, f.id from found as f where (select count(*) from found) = v_limit
                union all
                select o.created_at, o.id from looked_at as o
                where
                    (select count(*) from found) < v_limit
                    and (select count(*) from looked_at) = c_looked_at_most
            ) as l
            order by l.created_at desc nulls first, l.id desc
            limit 1
        )
    into v_ids, v_next;
    perform pg_notify('events', i.value) from jsonb_array_elements_text(coalesce(v_ids, '[]')) as i;
    return jsonb_build_object('outcome', 'swept', 'events', coalesce(v_ids, '[]'), 'next', v_next);
end;
$$;
