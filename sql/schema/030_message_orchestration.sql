-- What waits to be texted, and how much each member may be texted.
--
-- delivered_message_id is set by the claim, after the row of messages exists in the same transaction.
-- superseded_by_message_id and conversation_context_id are references in name only: they may outlive
-- what they point at.

create table if not exists message_queue (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users (id),
    agent_id varchar not null,
    message_data jsonb not null,
    final_message text,
    scheduled_for timestamptz not null,
    priority varchar default 'medium',
    status varchar default 'queued',
    superseded_by_message_id uuid,
    superseded_reason varchar,
    conversation_context_id uuid,
    requires_fresh_context boolean default false,
    sequence_id uuid,
    sequence_position integer,
    sequence_total integer,
    sent_at timestamptz,
    delivered_message_id uuid references messages (id),
    created_at timestamptz default now()
);

create table if not exists user_message_budget (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users (id),
    date date not null,
    messages_sent integer default 0,
    last_message_at timestamptz,
    daily_limit integer default 5,
    hourly_limit integer default 2,
    quiet_hours_enabled boolean default true,
    created_at timestamptz default now(),
    unique (user_id, date)
);
