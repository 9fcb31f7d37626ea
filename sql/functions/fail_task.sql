-- fail_task: give a claimed task back after a failure, or give it up.
--
-- behaviour.md, "Tasks": max_retries is the number of attempts, each counted at its claim; between them
-- the task waits 1, 2, 4 … min, give or take a tenth, so that what failed together does not come back
-- together. The failure of a dependency (Claude, Twilio, the network) does not count: the attempt is given
-- back, and the task retried with backoff up to 5 min for 24 h, as an event would be.
--
-- arguments    p_task_id; p_token, the claim's
--              p_error, what went wrong, without personal data; p_kind: own | dependency | permanent
--              p_calls, agent_actions_log rows of the calls made; p_now
-- result       {outcome: rescheduled, retry_at} | {outcome: failed} | {outcome: stale}
--              and in all: more, id of the member's next open event or null
--              {outcome: retry}: a lock was not to be had in 2 s
-- locks        the member's users row, the task
-- idempotency  the token is gone afterwards: a repeated call is stale
create or replace function fail_task(
    p_task_id uuid,
    p_token uuid,
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
    c_first_wait constant interval := '1 min';
    c_jitter constant double precision := 0.1;
    c_most_doublings constant integer := 10;
    c_dependency_first constant interval := '5 s';
    c_dependency_most constant interval := '5 min';
    c_dependency_limit constant interval := '24 h';
    v_task agent_tasks%rowtype;
    v_state jsonb;
    v_attempts integer;
    v_count integer;
    v_since timestamptz;
    v_retry_at timestamptz;
    v_outcome jsonb := '{"outcome": "stale"}';
    v_now timestamptz;
begin
    perform log_calls(p_calls, p_now);
    select * into v_task from agent_tasks where id = p_task_id;
    if v_task.user_id is not null then
        perform lock_member(v_task.user_id);
    end if;
    select * into v_task from agent_tasks where id = p_task_id for update;
    v_now := coalesce(p_now, clock_timestamp());

    if v_task.status = 'processing' and v_task.result_json #>> '{claim,token}' = p_token::text then
        v_state := as_object(v_task.result_json) - 'claim';
        v_attempts := greatest(coalesce(v_task.retry_count, 1), 1);
        if p_kind = 'dependency' then
            v_count := coalesce(as_count(v_state #>> '{dependency,count}'), 0) + 1;
            v_since := least(as_time(v_state #>> '{dependency,since}'), v_now);
            v_attempts := v_attempts - 1;
            v_state := v_state || jsonb_build_object(
                'dependency', jsonb_build_object('count', v_count, 'since', v_since)
            );
            if v_since > v_now - c_dependency_limit then
                v_retry_at := v_now + least(
                    c_dependency_first * power(2, least(v_count - 1, c_most_doublings)), c_dependency_most
                );
            end if;
        elsif p_kind = 'own' and v_attempts < coalesce(v_task.max_retries, 3) then
            v_retry_at := v_now + c_first_wait * power(2, least(v_attempts - 1, c_most_doublings))
            -- From the id, so that a test can tell and no two tasks agree: -10 % to +10 %.
            * (1 + c_jitter * (hashtextextended(v_task.id::text, v_attempts) % 1000) / 1000.0);
        end if;
        update agent_tasks
        set
            status = case when v_retry_at is null then 'failed' else 'pending' end,
            scheduled_for = coalesce(v_retry_at, scheduled_for),
            retry_count = v_attempts,
            result_json = v_state,
            error_log = p_error
        where id = p_task_id;
        v_outcome := jsonb_strip_nulls(jsonb_build_object(
            'outcome', case when v_retry_at is null then 'failed' else 'rescheduled' end, 'retry_at', v_retry_at
        ));
    end if;
    return v_outcome || jsonb_build_object(
        'more', case when v_task.user_id is not null then next_open_event(v_task.user_id, v_now) end
    );
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
