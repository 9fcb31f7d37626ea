-- Every movement of credits reaches the balances in the transaction that writes it.
--
-- The delta is added under the member's row lock, so that concurrent movements add up and the cost does
-- not grow with the ledger. AFTER INSERT only: a row that ON CONFLICT refuses must not count (protocol.md,
-- 13). Every inserted row counts, whatever its `processed` said.
--
-- Nobody spends what they do not have: a negative amount that would leave a negative balance is refused
-- (SQLSTATE YP003), whoever writes it. A positive one is always taken, also where the balance was
-- negative before us. It is decided here, after the addition, because the rows of one statement are all
-- let in before the first of them is added.
-- Old triggers that refreshed the materialized view leave together with it: refreshing what is
-- no longer materialized would fail every insert.

create or replace function update_user_credit_cache()
returns trigger
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_balance integer;
begin
    update users
    set credit_balance = coalesce(credit_balance, 0) + new.amount
    where id = new.user_id
    returning credit_balance into v_balance;
    if new.amount < 0 and v_balance < 0 then
        raise exception 'credit_events: the member has fewer credits than this movement spends'
            using errcode = 'YP003';
    end if;
    update innovators set credits_balance = v_balance where user_id = new.user_id;
    return null;
end;
$$;

-- mirror_credit_balance: an innovator starts with the balance that the member has, also one who is made
-- another member's. The lock makes a movement at the same moment wait until it can see the innovator.
create or replace function mirror_credit_balance()
returns trigger
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    select coalesce(u.credit_balance, 0) into new.credits_balance
    from users as u
    where u.id = new.user_id
    for no key update;
    return new;
end;
$$;

do $$
declare
    v_trigger record;
begin
    for v_trigger in
        select
            t.tgname,
            p.proname,
            -- tgtype 5: after insert, for each row.
            (
                p.proname = 'update_user_credit_cache'
                and (t.tgname <> 'update_user_credit_cache' or t.tgtype <> 5)
            )
            or p.prosrc ~* 'refresh\s+materialized\s+view' as is_replaced
        from pg_trigger as t
        inner join pg_proc as p on p.oid = t.tgfoid
        where
            t.tgrelid = 'credit_events'::regclass
            and not t.tgisinternal
            and t.tgname not in ('admit_credit_event', 'keep_credit_events', 'keep_credit_events_all')
        order by t.tgname
    loop
        if v_trigger.is_replaced then
            execute format('drop trigger %I on credit_events', v_trigger.tgname);
            raise notice 'credit_events: the trigger % was replaced by update_user_credit_cache.',
                v_trigger.tgname;
        elsif v_trigger.proname <> 'update_user_credit_cache' then
            raise notice 'credit_events: the trigger %, which calls %, is not ours and was left; '
                'make sure that it does not move balances too.', v_trigger.tgname, v_trigger.proname;
        end if;
    end loop;
    if not exists (
        select 1 from pg_trigger
        where tgrelid = 'credit_events'::regclass and tgname = 'update_user_credit_cache'
    ) then
        create trigger update_user_credit_cache
        after insert on credit_events
        for each row execute function update_user_credit_cache();
    end if;
    if not exists (
        select 1 from pg_trigger where tgrelid = 'innovators'::regclass and tgname = 'mirror_credit_balance'
    ) then
        create trigger mirror_credit_balance
        before insert on innovators
        for each row execute function mirror_credit_balance();
    end if;
    if not exists (
        select 1 from pg_trigger where tgrelid = 'innovators'::regclass and tgname = 'mirror_other_balance'
    ) then
        create trigger mirror_other_balance
        before update of user_id on innovators
        for each row when (old.user_id is distinct from new.user_id)
        execute function mirror_credit_balance();
    end if;
    -- In the same transaction as its triggers, so that no insert ever meets one without the other.
    if exists (
        select 1 from pg_class where oid = to_regclass('user_credit_balances') and relkind = 'm'
    ) then
        begin
            drop materialized view user_credit_balances;
        exception
            when dependent_objects_still_exist then
                alter materialized view user_credit_balances rename to user_credit_balances_replaced;
                raise notice 'user_credit_balances: something depends on the old materialized view; '
                    'it is kept as user_credit_balances_replaced and no longer refreshed.';
        end;
        raise notice 'user_credit_balances: the materialized view was replaced by a view that is always '
            'exact.';
    end if;
end;
$$;

create or replace view user_credit_balances
with (security_invoker = true) as
select
    user_id,
    sum(amount)::bigint as balance,
    count(*)::bigint as transaction_count,
    max(created_at) as last_transaction_at
from credit_events
group by user_id;
