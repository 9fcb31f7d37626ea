-- next_open_event: does more work of this member wait?
--
-- Asked last, under the member's lock, when a holder gives its lease back: the holder goes on with
-- the answer, since the delivery of that event found the member busy and left (protocol.md, 6).
--
-- arguments    p_user_id; p_now
-- result       id of the oldest open, due, unleased event of the member, or null
-- locks        none of its own: meaningful only under lock_member
create or replace function next_open_event(p_user_id uuid, p_now timestamptz)
returns uuid
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return (
        select e.id
        from events as e
        where
            e.aggregate_id = p_user_id
            and e.aggregate_type = 'user'
            and e.processed is not true
            and not lease_is_live(e.metadata, p_now)
            and coalesce(as_time(as_object(e.metadata) ->> 'retry_at') <= p_now, true)
        order by e.created_at, e.id
        limit 1
    );
end;
$$;
