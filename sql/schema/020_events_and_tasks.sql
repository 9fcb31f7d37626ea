-- How agents talk to each other: events that happened, tasks that are due.
--
-- Neither aggregate_id nor context_id has a foreign key, since each may name a row of several tables.
-- Leases and other working state live in events.metadata and agent_tasks.result_json and are never
-- indexed, so that taking a lease stays a heap-only update (protocol.md, 15).

create table if not exists events (
    id uuid primary key default gen_random_uuid(),
    event_type varchar not null,
    aggregate_id uuid,
    aggregate_type varchar,
    payload jsonb not null,
    metadata jsonb,
    processed boolean default false,
    version integer default 1,
    created_at timestamptz default now(),
    created_by varchar
);

create table if not exists agent_tasks (
    id uuid primary key default gen_random_uuid(),
    task_type varchar not null,
    agent_type varchar not null,
    user_id uuid references users (id),
    context_id uuid,
    context_type varchar,
    scheduled_for timestamptz not null,
    priority varchar default 'medium',
    status varchar default 'pending',
    retry_count integer default 0,
    max_retries integer default 3,
    last_attempted_at timestamptz,
    context_json jsonb not null,
    result_json jsonb,
    error_log text,
    created_at timestamptz default now(),
    created_by varchar,
    completed_at timestamptz
);
