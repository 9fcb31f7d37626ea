-- What the background agents keep between one decision and the next.

create table if not exists user_priorities (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users (id),
    priority_rank integer not null,
    item_type varchar not null,
    item_id uuid not null,
    value_score numeric,
    status varchar default 'active',
    created_at timestamptz default now(),
    expires_at timestamptz,
    presented_at timestamptz,
    unique (user_id, item_type, item_id)
);

create table if not exists solution_workflows (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users (id),
    request_description text not null,
    category varchar,
    current_step varchar not null,
    status varchar default 'in_progress',
    perplexity_results jsonb,
    matched_innovators jsonb,
    community_insights jsonb,
    expert_recommendations jsonb,
    quality_threshold_met boolean default false,
    last_decision_at timestamptz,
    next_action varchar,
    pending_tasks jsonb default '[]',
    completed_tasks jsonb default '[]',
    conversation_log jsonb default '[]',
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    completed_at timestamptz
);

create table if not exists intro_opportunities (
    id uuid primary key default gen_random_uuid(),
    connector_user_id uuid not null references users (id),
    innovator_id uuid references innovators (id),
    prospect_id uuid references prospects (id),
    prospect_name varchar not null,
    prospect_company varchar,
    prospect_title varchar,
    prospect_linkedin_url varchar,
    innovator_name varchar,
    bounty_credits integer default 50,
    status varchar default 'open',
    connector_response text,
    feed_item_id uuid,
    intro_email varchar,
    intro_scheduled_at timestamptz,
    intro_completed_at timestamptz,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    expires_at timestamptz
);
