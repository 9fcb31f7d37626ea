-- Questions that members may answer for each other, and their answers.

create table if not exists community_requests (
    id uuid primary key default gen_random_uuid(),
    requesting_agent_type varchar not null,
    requesting_user_id uuid references users (id),
    context_id uuid,
    context_type varchar,
    question text not null,
    category varchar,
    expertise_needed text[],
    target_user_ids uuid[],
    requester_context text,
    desired_outcome varchar,
    urgency varchar default 'medium',
    request_summary varchar(100),
    status varchar default 'open',
    responses_count integer default 0,
    closed_loop_at timestamptz,
    closed_loop_message text,
    created_at timestamptz default now(),
    expires_at timestamptz default now() + interval '7 days'
);

create table if not exists community_responses (
    id uuid primary key default gen_random_uuid(),
    request_id uuid not null references community_requests (id),
    user_id uuid not null references users (id),
    response_text text not null,
    verbatim_answer text not null,
    usefulness_score integer,
    impact_description text,
    credits_awarded integer,
    credited_at timestamptz,
    status varchar default 'provided',
    closed_loop_message text,
    closed_loop_at timestamptz,
    created_at timestamptz default now()
);
