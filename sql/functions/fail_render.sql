-- fail_render: give back a text that could not be judged, or give it up.
--
-- As events are (fail_event): an error of our own counts; after 10 s, 30 s, 2 min, 10 min the text is due
-- again, the fifth supersedes it. The failure of a dependency does not count: the attempt is given back,
-- and the text due again with backoff up to 5 min, for 24 h; then it is superseded. It never leaves
-- unjudged.
--
-- arguments    p_token, p_id: of claim_renders; p_error, what went wrong, without personal data
--              p_kind: own | dependency; p_calls, agent_actions_log rows of the calls made; p_now
-- result       {outcome: rescheduled, retry_at} | {outcome: superseded} | {outcome: stale}
--              {outcome: retry}: a lock was not to be had in 2 s
-- locks        the member's users row
-- idempotency  the token is gone afterwards: a repeated call is stale
create or replace function fail_render(
    p_token uuid,
    p_id uuid,
    p_error text,
    p_kind text,
    p_calls jsonb default '[]',
    p_now timestamptz default null
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
    v_text message_queue%rowtype;
    v_render jsonb;
    v_attempt integer;
    v_count integer;
    v_since timestamptz;
    v_retry_at timestamptz;
    v_now timestamptz;
begin
    perform log_calls(p_calls, p_now);
    select * into v_text from message_queue where id = p_id;
    perform lock_member(v_text.user_id);
    select * into v_text from message_queue where id = p_id for update;
    v_now := coalesce(p_now, clock_timestamp());
    v_render := as_object(v_text.message_data) -> 'render';
    if
        v_text.status is distinct from 'queued'
        or v_text.delivered_message_id is not null
        or v_render ->> 'token' is distinct from p_token::text
    then
        return '{"outcome": "stale"}';
    end if;
    v_attempt := coalesce(as_count(v_render ->> 'attempt'), 1);
    v_render := v_render - 'token' - 'until' || jsonb_build_object('error', p_error);
    if p_kind = 'dependency' then
        v_count := coalesce(as_count(v_render #>> '{dependency,count}'), 0) + 1;
        v_since := least(as_time(v_render #>> '{dependency,since}'), v_now);
        v_render := v_render || jsonb_build_object(
            'attempt', v_attempt - 1, 'dependency', jsonb_build_object('count', v_count, 'since', v_since)
        );
        if v_since > v_now - c_dependency_limit then
            v_retry_at := v_now + least(c_dependency_first * power(2, least(v_count - 1, 10)), c_dependency_most);
        end if;
    elsif v_attempt <= cardinality(c_waits) then
        v_retry_at := v_now + c_waits[v_attempt];
    end if;
    if v_retry_at is null then
        perform drop_text(v_text, 'could not be judged: ' || p_error);
        return '{"outcome": "superseded"}';
    end if;
    update message_queue
    set
        scheduled_for = greatest(v_retry_at, scheduled_for),
        message_data = as_object(message_data) || jsonb_build_object('render', v_render)
    where
        user_id = v_text.user_id
        and status = 'queued'
        and delivered_message_id is null
        and coalesce(sequence_id, id) = coalesce(v_text.sequence_id, v_text.id);
    return jsonb_build_object('outcome', 'rescheduled', 'retry_at', v_retry_at);
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
