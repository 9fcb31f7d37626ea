-- The wake-up for whoever listens on the channel `events`.
--
-- Sends the id only: a payload near 8,000 bytes would abort the insert. Nothing depends on it arriving.
-- An event inserted as already processed (kept for audit) wakes nobody.

create or replace function notify_event()
returns trigger
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    perform pg_notify('events', new.id::text);
    return null;
end;
$$;

do $$
declare
    v_trigger name;
begin
    -- tgtype 5: after insert, for each row. Anything else that calls the function would notify twice.
    for v_trigger in
        select t.tgname
        from pg_trigger as t
        where
            t.tgrelid = 'events'::regclass
            and t.tgfoid = 'notify_event()'::regprocedure
            and (t.tgname <> 'notify_event' or t.tgtype <> 5 or t.tgqual is null)
    loop
        execute format('drop trigger %I on events', v_trigger);
        raise notice 'events: the trigger % was replaced by notify_event.', v_trigger;
    end loop;
    if not exists (
        select 1 from pg_trigger where tgrelid = 'events'::regclass and tgname = 'notify_event'
    ) then
        create trigger notify_event
        after insert on events
        for each row when (new.processed is not true)
        execute function notify_event();
    end if;
end;
$$;
