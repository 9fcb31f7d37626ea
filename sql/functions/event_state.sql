-- event_state: where an event stands (protocol.md, "State machines").
--
-- A dead letter is finished, too: it was given up, and hides nothing that is alive.
--
-- arguments    p_event
-- result       open (leased or not) | done | dead
-- locks        none
create or replace function event_state(p_event events)
returns text
language sql
immutable
parallel safe
set search_path = public, pg_temp
as $$
    select case
        when p_event.processed is not true then 'open'
        when as_object(p_event.metadata) ? 'dead' and not as_object(p_event.metadata) ? 'done' then 'dead'
        else 'done'
    end;
$$;
