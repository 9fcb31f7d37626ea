-- reread_task: the context of a task that its holder has to decide again.
--
-- After commit_work answered conflict (protocol.md, 9): what was read has changed since the claim. The
-- lease begins anew, no attempt is counted.
--
-- arguments    p_task_id; p_token, the claim's; p_lease_s, seconds, at least the deadline + 15 s; p_now
-- result       {outcome: claimed, task: see task_document} | {outcome: stale}
--              {outcome: retry}: a lock was not to be had in 2 s
-- locks        the member's users row, the task
-- idempotency  by state
create or replace function reread_task(
    p_task_id uuid,
    p_token uuid,
    p_lease_s integer default 600,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_task agent_tasks%rowtype;
    v_now timestamptz;
begin
    select * into v_task from agent_tasks where id = p_task_id;
    if v_task.user_id is not null then
        perform lock_member(v_task.user_id);
    end if;
    select * into v_task from agent_tasks where id = p_task_id for update;
    v_now := coalesce(p_now, clock_timestamp());
    if
        v_task.status is distinct from 'processing'
        or v_task.result_json #>> '{claim,token}' is distinct from p_token::text
        or member_is_busy(v_task.user_id, p_token, v_now) -- the lease had run out, the member is another's
    then
        return '{"outcome": "stale"}';
    end if;
    update agent_tasks
    set
        result_json = jsonb_set(
            result_json, '{claim,until}', to_jsonb(lease_end(greatest(p_lease_s, 15), v_now))
        )
    where id = p_task_id
    returning * into v_task;
    return jsonb_build_object('outcome', 'claimed', 'task', task_document(v_task, v_now));
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
