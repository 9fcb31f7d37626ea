-- budget_today: the member's budget row of a local day, made if missing.
--
-- A new day's row copies the limits and quiet_hours_enabled of the latest one (behaviour.md, "Budget").
--
-- arguments    p_user_id; p_date, the member's local date; p_now
-- result       the user_message_budget row
-- locks        the caller holds lock_member
-- idempotency  by state, under the member's lock; the documented unique index may be missing
create or replace function budget_today(p_user_id uuid, p_date date, p_now timestamptz)
returns user_message_budget
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_budget user_message_budget%rowtype;
begin
    select * into v_budget
    from user_message_budget
    where user_id = p_user_id and date = p_date
    order by messages_sent desc nulls last -- where there are two, the fuller one counts
    limit 1;
    if found then
        return v_budget;
    end if;
    select * into v_budget from user_message_budget where user_id = p_user_id order by date desc limit 1;
    insert into user_message_budget (
        user_id, date, messages_sent, daily_limit, hourly_limit, quiet_hours_enabled, created_at
    )
    values (
        p_user_id, p_date, 0, coalesce(v_budget.daily_limit, 5), coalesce(v_budget.hourly_limit, 2),
        coalesce(v_budget.quiet_hours_enabled, true), p_now
    )
    on conflict do nothing;
    select * into v_budget from user_message_budget where user_id = p_user_id and date = p_date;
    return v_budget;
end;
$$;
