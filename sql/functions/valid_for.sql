-- valid_for: for how many seconds Twilio may still hand a text over that leaves now (ValidityPeriod).
--
-- What a member did not ask for must not arrive in quiet hours because Twilio or the carrier was slow: it
-- is valid until they begin. Everything else is for four hours, after which an answer helps nobody.
-- Twilio takes 1 to 36,000 s.
--
-- arguments    p_text, about to leave; p_member; p_counted, does it count against the budget; p_now
-- result       seconds, at least 60: what has passed the gate may leave
-- locks        none of its own: meaningful only under lock_member
create or replace function valid_for(
    p_text message_queue, p_member users, p_counted boolean, p_now timestamptz
)
returns integer
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    c_most constant integer := 14400;
    -- For what leaves in quiet hours all the same: the later parts of a text that began before them.
    c_in_quiet_hours constant integer := 600;
    v_zone text := member_zone(p_member.timezone, p_member.phone_number);
    v_local timestamp := p_now at time zone v_zone;
    v_start time := p_member.quiet_hours_start;
    v_quiet timestamptz;
begin
    if
        p_counted is not true
        -- A sequence is counted with its first part.
        and not exists (
            select 1
            from message_queue as q
            where
                q.sequence_id = p_text.sequence_id
                and q.user_id = p_member.id
                and as_object(q.message_data) ->> 'counted' = 'true'
        )
    then
        return c_most;
    end if;
    if p_member.quiet_hours_start is null or p_member.quiet_hours_end is null then
        v_start := '22:00';
    elsif p_member.quiet_hours_start = p_member.quiet_hours_end then
        return c_most;
    end if;
    if exists (
        select 1
        from user_message_budget as b
        where b.user_id = p_member.id and b.date = v_local::date and b.quiet_hours_enabled is false
    ) then
        return c_most;
    end if;
    if quiet_until(p_member.quiet_hours_start, p_member.quiet_hours_end, v_zone, p_now) is not null then
        return c_in_quiet_hours;
    end if;
    v_quiet := local_instant(v_local::date + v_start, v_zone);
    if v_quiet <= p_now then
        v_quiet := local_instant(v_local::date + 1 + v_start, v_zone);
    end if;
    return greatest(60, least(c_most, floor(extract(epoch from v_quiet - p_now))::integer));
end;
$$;
