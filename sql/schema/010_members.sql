-- Members, their conversations, and every text in either direction.
--
-- users is the row that everything about a member is locked through (protocol.md, 1). A text is one
-- row of messages from the moment it is recorded or claimed for sending; an outbound one shares its
-- id with its row of message_queue.

create table if not exists users (
    id uuid primary key default gen_random_uuid(),
    phone_number varchar not null unique,
    email varchar,
    first_name varchar,
    last_name varchar,
    company varchar,
    title varchar,
    linkedin_url varchar,
    verified boolean default false,
    email_verified boolean default false,
    innovator boolean default false,
    expert_connector boolean default false,
    expertise text[],
    poc_agent_id varchar,
    poc_agent_type varchar,
    quiet_hours_start time,
    quiet_hours_end time,
    timezone varchar,
    response_pattern jsonb,
    credit_balance integer default 0,
    status_level varchar default 'member',
    referred_by uuid,
    name_dropped varchar,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    last_active_at timestamptz
);

create table if not exists conversations (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users (id),
    phone_number varchar not null,
    status varchar default 'active',
    conversation_summary text,
    -- No foreign key: messages refers back here, and erasing texts must not need the summary gone first.
    last_summary_message_id uuid,
    messages_since_summary integer default 0,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    last_message_at timestamptz
);

create table if not exists messages (
    id uuid primary key default gen_random_uuid(),
    conversation_id uuid not null references conversations (id),
    user_id uuid not null references users (id),
    role varchar not null,
    content text not null,
    direction varchar not null,
    twilio_message_sid varchar,
    status varchar,
    created_at timestamptz default now(),
    sent_at timestamptz,
    delivered_at timestamptz
);
