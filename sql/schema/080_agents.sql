-- Which agents serve whom, and every call of a model they made.

create table if not exists agent_instances (
    id uuid primary key default gen_random_uuid(),
    agent_type varchar not null,
    user_id uuid references users (id),
    config_json jsonb,
    prompt_version varchar,
    status varchar default 'active',
    last_active_at timestamptz default now(),
    created_at timestamptz default now(),
    terminated_at timestamptz
);

create table if not exists agent_actions_log (
    id uuid primary key default gen_random_uuid(),
    agent_type varchar not null,
    agent_instance_id uuid references agent_instances (id),
    action_type varchar not null,
    user_id uuid references users (id),
    context_id uuid,
    context_type varchar,
    model_used varchar,
    input_tokens integer,
    output_tokens integer,
    cost_usd numeric,
    latency_ms integer,
    input_data jsonb,
    output_data jsonb,
    error text,
    created_at timestamptz default now()
);
