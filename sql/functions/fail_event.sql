-- fail_event: give a claimed event back after a failure, or give it up.
--
-- behaviour.md, "Events": an error of our own counts; after 10 s, 30 s, 2 min, 10 min the event is
-- open again, the fifth makes it a dead letter. The failure of a dependency (Claude, Twilio, the
-- network) does not count: the attempt is given back, and the event retried with backoff up to
-- 5 min for 24 h. A member whose text has waited for 2 min is told so once, by p_notice. What is permanent
-- is wrong with the first event, as claimed: it is a dead letter at once, and the others are open again.
--
-- arguments    p_event_ids, jsonb array of the ids claimed, in the claim's order; p_token, the claim's
--              p_error, what went wrong, without personal data; p_kind: own | dependency | permanent
--              p_calls, agent_actions_log rows of the calls made; p_now
--              p_notice, what a member is told whose texts a dependency keeps waiting; null: nothing
-- result       {outcome: rescheduled, retry_at} | {outcome: dead} | {outcome: stale}; and in all: more,
--              texts_due (the member, if the notice is to be sent)
--              {outcome: retry}: a lock was not to be had in 2 s
-- locks        the member's users row, the events
-- idempotency  the token is gone afterwards: a repeated call is stale
create or replace function fail_event(
    p_event_ids jsonb,
    p_token uuid,
    p_error text,
    p_kind text,
    p_calls jsonb default '[]',
    p_now timestamptz default null,
    p_notice text default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    c_waits constant interval [] := array['10 s', '30 s', '2 min', '10 min'];
    c_dependency_first constant interval := '5 s';
    c_dependency_most constant interval := '5 min';
    c_dependency_limit constant interval := '24 h';
    c_told_after constant interval := '2 min';
    v_ids uuid [] := array(select value::uuid from jsonb_array_elements_text(p_event_ids));
    v_source events%rowtype;
    v_event events%rowtype;
    v_state jsonb;
    v_since timestamptz;
    v_count integer;
    v_retry_at timestamptz;
    v_outcome text;
    v_first jsonb;
    v_waits_since timestamptz;
    v_told boolean;
    v_tell boolean := false;
    v_now timestamptz;
begin
    perform log_calls(p_calls, p_now);
    select * into v_source from events where id = v_ids[1];
    if v_source.aggregate_type = 'user' then
        perform lock_member(v_source.aggregate_id);
    end if;
    perform 1 from events where id = any(v_ids) order by id for update;
    v_now := coalesce(p_now, clock_timestamp());
    select min(e.created_at), coalesce(bool_or(e.metadata #> '{dependency,told}' = 'true'), false)
    into v_waits_since, v_told
    from events as e
    where e.id = any(v_ids) and e.processed is not true and e.metadata #>> '{lease,token}' = p_token::text;
    v_tell := coalesce(
        p_kind = 'dependency' and p_notice is not null and not v_told and v_waits_since <= v_now - c_told_after, false
    );
    for v_event in
        select e.*
        from events as e
        where e.id = any(v_ids) and e.processed is not true and e.metadata #>> '{lease,token}' = p_token::text
        order by e.created_at, e.id
    loop
        v_state := as_object(v_event.metadata) - 'lease' - 'alone';
        if p_kind = 'permanent' and v_event.id <> v_ids[1] then
            update events
            set metadata = v_state || jsonb_build_object('attempt', coalesce(as_count(v_state ->> 'attempt'), 1) - 1)
            where id = v_event.id;
            continue;
        end if;
        v_retry_at := null;
        if p_kind = 'dependency' then
            v_count := coalesce(as_count(v_state #>> '{dependency,count}'), 0) + 1;
            v_since := least(as_time(v_state #>> '{dependency,since}'), v_now);
            v_state := v_state || jsonb_build_object(
                'attempt', greatest(coalesce(as_count(v_state ->> 'attempt'), 1) - 1, 0),
                'dependency', jsonb_build_object(
                    'count', v_count, 'since', v_since, 'error', p_error, 'told', v_told or v_tell
                )
            );
            if v_since > v_now - c_dependency_limit then
                v_retry_at := v_now + least(c_dependency_first * power(2, least(v_count - 1, 10)), c_dependency_most);
                if p_notice is not null and v_waits_since > v_now - c_told_after then
                    -- So that the member is told then and not at the end of a longer pause.
                    v_retry_at := least(v_retry_at, v_waits_since + c_told_after);
                end if;
            end if;
        elsif p_kind = 'own' then
            v_count := coalesce(as_count(v_state ->> 'attempt'), 1);
            if v_count <= cardinality(c_waits) then
                v_retry_at := v_now + c_waits[v_count];
            end if;
            v_state := v_state || jsonb_build_object('error', p_error);
        end if;
        v_outcome := case when v_retry_at is null then 'dead' else 'rescheduled' end;
        if v_retry_at is null then
            v_state := v_state - 'retry_at'
            || jsonb_build_object('dead', jsonb_build_object('error', p_error, 'at', v_now));
        else
            v_state := v_state || jsonb_build_object('retry_at', v_retry_at);
        end if;
        update events
        set
            processed = (v_retry_at is null),
            metadata = v_state
        where id = v_event.id;
        v_first := coalesce(
            v_first, jsonb_strip_nulls(jsonb_build_object('outcome', v_outcome, 'retry_at', v_retry_at))
        );
    end loop;
    if v_tell then
        insert into message_queue (
            user_id, agent_id, message_data, final_message, scheduled_for, priority, created_at
        )
        values (
            v_source.aggregate_id, 'system', '{"kind": "system"}', p_notice, v_now, 'high', v_now
        );
    end if;
    return coalesce(v_first, '{"outcome": "stale"}') || jsonb_build_object(
        'more', case when v_source.aggregate_type = 'user' then next_open_event(v_source.aggregate_id, v_now) end,
        'texts_due', case when v_tell then jsonb_build_array(v_source.aggregate_id) else '[]' end
    );
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
