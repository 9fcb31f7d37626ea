-- The credit ledger.
--
-- A row of credit_events is a movement of credits and stays as it was written; only `processed`, which
-- says that the movement has reached the balances, may change. The balances in users and innovators are
-- caches, moved by the same amount in the same transaction; the view user_credit_balances is the
-- ledger itself, summed (both in 071).

create table if not exists credit_events (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users (id),
    event_type varchar not null,
    amount integer not null,
    reference_type varchar not null,
    reference_id uuid not null,
    idempotency_key varchar not null unique,
    description text,
    created_at timestamptz default now(),
    processed boolean default false
);

-- keep_credit_events: refuse every change of a written movement, whoever asks.
create or replace function keep_credit_events()
returns trigger
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_row credit_events;
begin
    if tg_op = 'UPDATE' then
        v_row := new;
        v_row.processed := old.processed;
        if v_row is not distinct from old then
            return new;
        end if;
    end if;
    raise exception 'credit_events is append-only: a written movement may not be changed or removed'
        using errcode = 'restrict_violation', hint = 'Write a movement of the opposite amount instead.';
end;
$$;

do $$
begin
    if not exists (
        select 1 from pg_trigger where tgrelid = 'credit_events'::regclass and tgname = 'keep_credit_events'
    ) then
        create trigger keep_credit_events
        before update or delete on credit_events
        for each row execute function keep_credit_events();
    end if;
    if not exists (
        select 1 from pg_trigger
        where tgrelid = 'credit_events'::regclass and tgname = 'keep_credit_events_all'
    ) then
        create trigger keep_credit_events_all
        before truncate on credit_events
        for each statement execute function keep_credit_events();
    end if;
end;
$$;
