-- sweep_events: find events whose wake-up was lost and hand them out to be published again.
--
-- The tables are the truth; Pub/Sub and NOTIFY only wake. Takes open, due, unleased events, one per
-- member, oldest first, and stamps them with a doubling delay, so that an event that cannot be
-- handled is not published every few seconds (protocol.md, 17).
--
-- arguments    p_limit ≤ 200; p_now
-- result       {outcome: swept, events: ids}
-- locks        the events, skipping locked ones
-- idempotency  each call stamps what it returns
create or replace function sweep_events(p_limit integer default 200, p_now timestamptz default null)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    c_age constant interval := '1 min';
    c_delay_most constant interval := '10 min';
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_ids jsonb;
begin
    -- Whether a row is the member's next is asked last and only until there are enough: a sweep costs what it
    -- finds, not what is open.
    with due as (
        select e.id
        from events as e
        where
            e.id in (
                select o.id
                from (
                    select i.*
                    from events as i
                    where i.processed is not true
                    order by i.created_at, i.id
                    limit 5000
                ) as o
                where
                    (
                        coalesce(o.created_at < v_now - c_age, true)
                        or as_object(o.metadata) ? 'retry_at'
                        or as_object(o.metadata) ? 'lease'
                    )
                    and not lease_is_live(o.metadata, v_now)
                    and coalesce(as_time(as_object(o.metadata) ->> 'retry_at') <= v_now, true)
                    and (
                        as_time(as_object(o.metadata) ->> 'published_at') is null
                        or as_time(o.metadata ->> 'published_at')
                        + least(
                            c_age * power(2, least(coalesce(as_count(o.metadata ->> 'published'), 1), 10) - 1),
                            c_delay_most
                        ) <= v_now
                        -- A retry is due when its time comes, however often the event was published before.
                        or as_time(o.metadata ->> 'retry_at') > as_time(o.metadata ->> 'published_at')
                    )
                    and case
                        when o.aggregate_type = 'user' then o.id = next_open_event(o.aggregate_id, v_now)
                        else true
                    end
                order by o.created_at, o.id
                limit least(greatest(p_limit, 1), 200)
            )
        for update skip locked
    ),

    stamped as (
        update events as e
        set
            metadata = as_object(e.metadata) || jsonb_build_object(
                'published_at', v_now,
                'published', coalesce(as_count(as_object(e.metadata) ->> 'published'), 0) + 1
            )
        from due
        where e.id = due.id
        returning e.id, e.created_at
    )

    select jsonb_agg(s.id order by s.created_at, s.id) into v_ids from stamped as s;
    perform pg_notify('events', i.value) from jsonb_array_elements_text(coalesce(v_ids, '[]')) as i;
    return jsonb_build_object('outcome', 'swept', 'events', coalesce(v_ids, '[]'));
end;
$$;
