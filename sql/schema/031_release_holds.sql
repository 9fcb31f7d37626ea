-- Changed settings release a member's holds, whoever changes them (protocol.md, 24).
--
-- The gate's own writes fire nothing: it charges other columns, and the row of a new day copies the
-- limits of the latest one.

create or replace function release_holds_of_member()
returns trigger
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    -- The first migration makes this trigger a moment before the function.
    if to_regprocedure('public.release_holds(uuid)') is not null then
        perform release_holds(new.id);
    end if;
    return null;
end;
$$;

create or replace function release_holds_of_budget()
returns trigger
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_before user_message_budget%rowtype;
begin
    if tg_op = 'UPDATE' then
        v_before := old;
    else
        select * into v_before
        from user_message_budget as b
        where b.user_id = new.user_id and b.id <> new.id
        order by b.date desc
        limit 1;
    end if;
    if
        (coalesce(new.daily_limit, 5), coalesce(new.hourly_limit, 2), coalesce(new.quiet_hours_enabled, true))
        is distinct from (
            coalesce(v_before.daily_limit, 5), coalesce(v_before.hourly_limit, 2),
            coalesce(v_before.quiet_hours_enabled, true)
        )
        and to_regprocedure('public.release_holds(uuid)') is not null
    then
        -- Whoever is deciding by the old limits finishes first.
        perform lock_member(new.user_id);
        perform release_holds(new.user_id);
    end if;
    return null;
end;
$$;

do $$
begin
    if not exists (
        select 1 from pg_trigger where tgrelid = 'users'::regclass and tgname = 'release_holds'
    ) then
        create trigger release_holds
        after update of timezone, quiet_hours_start, quiet_hours_end, phone_number on users
        for each row
        when (
            (old.timezone, old.quiet_hours_start, old.quiet_hours_end, old.phone_number)
            is distinct from (new.timezone, new.quiet_hours_start, new.quiet_hours_end, new.phone_number)
        )
        execute function release_holds_of_member();
    end if;
    if not exists (
        select 1 from pg_trigger where tgrelid = 'user_message_budget'::regclass and tgname = 'release_holds'
    ) then
        create trigger release_holds
        after insert or update of daily_limit, hourly_limit, quiet_hours_enabled on user_message_budget
        for each row
        execute function release_holds_of_budget();
    end if;
end;
$$;
