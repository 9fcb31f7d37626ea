-- The credit ledger.
--
-- A row of credit_events is a movement of credits and stays as it was written; only `processed`, which
-- says that the movement has reached the balances, may change. An idempotency key names one movement:
-- writing it again changes nothing, writing another under its key is an error. The balances in users
-- and innovators are caches, moved by the same amount in the same transaction; the view
-- user_credit_balances is the ledger itself, summed (both in 071).

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

-- admit_credit_event: let a movement in, once. It moves nothing: a row may still be refused after it, and
-- would be credited all the same (protocol.md, 13).
--
-- The member's lock comes first, as a statement of its own, so that the next one sees what whoever held
-- it wrote under this key. A key that another member's transaction is writing meanwhile is left to the
-- unique index: an error, or nothing for an insert that asked for that (apply_change looks again).
-- Marking the row here spares the ledger a second version of it.
create or replace function admit_credit_event()
returns trigger
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_written credit_events;
begin
    perform 1 from users where id = new.user_id for no key update;
    select * into v_written from credit_events where idempotency_key = new.idempotency_key;
    if not found then
        new.processed := true;
        return new;
    end if;
    if v_written.user_id = new.user_id and v_written.amount = new.amount then
        return null;
    end if;
    raise exception 'credit_events: this idempotency key belongs to a movement of another %',
        case when v_written.user_id = new.user_id then 'amount' else 'member' end
        using errcode = 'unique_violation', hint = 'Another movement needs a key of its own.';
end;
$$;

do $$
begin
    if not exists (
        select 1 from pg_trigger where tgrelid = 'credit_events'::regclass and tgname = 'admit_credit_event'
    ) then
        create trigger admit_credit_event
        before insert on credit_events
        for each row execute function admit_credit_event();
    end if;
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
