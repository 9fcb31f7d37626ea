-- Solution providers, the people they want to meet, and what was looked up about such people.

-- Supabase keeps uuid_generate_v4() in the schema extensions.
set search_path = public, extensions;

create table if not exists innovators (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null unique references users (id),
    company_name varchar not null,
    solution_description text,
    categories text[],
    target_customer_profile text,
    video_url varchar,
    credits_balance integer default 0,
    active boolean default true,
    created_at timestamptz default now()
);

create table if not exists prospects (
    id uuid primary key default uuid_generate_v4(),
    email text,
    phone_number text,
    linkedin_url text,
    first_name text,
    last_name text,
    company text,
    title text,
    innovator_id uuid not null references innovators (id),
    uploaded_at timestamptz not null default now(),
    upload_source text,
    upload_batch_id uuid,
    status text not null default 'pending',
    converted_to_user_id uuid references users (id),
    converted_at timestamptz,
    prospect_notes text,
    target_solution_categories text[],
    metadata jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table if not exists linkedin_research_prospects (
    id uuid primary key default gen_random_uuid(),
    name varchar not null,
    company varchar,
    title varchar,
    linkedin_url varchar,
    email varchar,
    mutual_connections jsonb,
    last_researched_at timestamptz,
    users_researching uuid[],
    created_at timestamptz default now()
);
