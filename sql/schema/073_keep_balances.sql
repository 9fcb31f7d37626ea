-- Nobody but the ledger moves a balance.
--
-- The service role may update every member, and so could write a balance that is no sum of movements.
-- The tables' owner still may: to set right what disagreed with the ledger before us (072).

-- keep_balance: refuse a balance that no movement has made.
create or replace function keep_balance()
returns trigger
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    if pg_has_role((select c.relowner from pg_class as c where c.oid = tg_relid), 'member') then
        return new;
    end if;
    raise exception 'the balance in % follows the ledger: insert into credit_events instead', tg_table_name
        using errcode = 'restrict_violation';
end;
$$;

-- What a trigger writes is the ledger's own doing.
do $$
begin
    if not exists (
        select 1 from pg_trigger where tgrelid = 'users'::regclass and tgname = 'keep_balance'
    ) then
        create trigger keep_balance
        before update of credit_balance on users
        for each row when (
            pg_trigger_depth() = 0 and coalesce(old.credit_balance, 0) <> coalesce(new.credit_balance, 0)
        )
        execute function keep_balance();
        create trigger keep_first_balance
        before insert on users
        for each row when (pg_trigger_depth() = 0 and coalesce(new.credit_balance, 0) <> 0)
        execute function keep_balance();
    end if;
    if not exists (
        select 1 from pg_trigger where tgrelid = 'innovators'::regclass and tgname = 'keep_balance'
    ) then
        create trigger keep_balance
        before update of credits_balance on innovators
        for each row when (
            pg_trigger_depth() = 0 and coalesce(old.credits_balance, 0) <> coalesce(new.credits_balance, 0)
        )
        execute function keep_balance();
    end if;
end;
$$;
