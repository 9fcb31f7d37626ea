-- Additional indexes for finding members and their texts.
--
-- The three rules that production rows may already break are tried and, where they are broken, reported.
-- Nothing depends on them: ids made from the source's id keep rows single (protocol.md, 12).

do $$
declare
    v_count bigint;
    v_rows bigint;
begin
    create unique index if not exists messages_one_per_twilio_sid on messages (twilio_message_sid)
    where twilio_message_sid is not null;
exception
    when unique_violation then
        select count(*), sum(d.n) into v_count, v_rows
        from (
            select count(*) as n from messages
            where twilio_message_sid is not null
            group by twilio_message_sid
            having count(*) > 1
        ) as d;
        raise notice 'messages: % Twilio SIDs are stored more than once (in % rows); '
            'the unique index on twilio_message_sid was not made.', v_count, v_rows;
        create index if not exists messages_twilio_message_sid_idx on messages (twilio_message_sid)
        where twilio_message_sid is not null;
end;
$$;

do $$
declare
    v_count bigint;
begin
    create unique index if not exists conversations_one_active_per_user on conversations (user_id)
    where status = 'active';
exception
    when unique_violation then
        select count(*) into v_count
        from (
            select 1 from conversations where status = 'active' group by user_id having count(*) > 1
        ) as d;
        raise notice 'conversations: % members have more than one active conversation; '
            'the unique index on active conversations was not made.', v_count;
end;
$$;

do $$
declare
    v_count bigint;
begin
    create unique index if not exists community_responses_one_per_expert
    on community_responses (request_id, user_id);
exception
    when unique_violation then
        select count(*) into v_count
        from (
            select 1 from community_responses group by request_id, user_id having count(*) > 1
        ) as d;
        raise notice 'community_responses: % times an expert answered the same request more than once; '
            'the unique index on request and expert was not made.', v_count;
end;
$$;

do $$
begin
    create index if not exists users_verified_full_name
    on users (lower(btrim(coalesce(first_name, '') || ' ' || coalesce(last_name, ''))))
    where verified;
exception
    when program_limit_exceeded then
        raise notice 'users: some names are too long for an index; finding a referrer by name will be '
            'slower.';
end;
$$;

create index if not exists messages_newest_of_conversation on messages (conversation_id, created_at desc);
create index if not exists messages_newest_of_user on messages (user_id, created_at desc);
create index if not exists messages_sending on messages (created_at, id) where status = 'sending';
create index if not exists agent_instances_active on agent_instances (user_id, agent_type)
where status = 'active';
