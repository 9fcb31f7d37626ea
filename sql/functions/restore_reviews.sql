-- restore_reviews: begin chains of reviews anew (protocol.md, 19).
--
-- arguments    p_reviews [{id, user_id, scheduled_for}], of unreviewed_members, with the ids that a turn
--              would give them; p_now
-- result       {outcome: restored, tasks: how many were not there}
-- locks        none
-- idempotency  by the tasks' ids
create or replace function restore_reviews(p_reviews jsonb, p_now timestamptz default null)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_tasks integer;
begin
    insert into agent_tasks (
        id, task_type, agent_type, user_id, context_json, priority, scheduled_for, created_at, created_by
    )
    select
        r.id, 'account_manager_review', 'account_manager', r.user_id, '{}', 'low', r.scheduled_for,
        coalesce(p_now, clock_timestamp()), 'event_sweeper'
    from jsonb_to_recordset(p_reviews) as r (id uuid, user_id uuid, scheduled_for timestamptz)
    on conflict (id) do nothing;
    get diagnostics v_tasks = row_count;
    return jsonb_build_object('outcome', 'restored', 'tasks', v_tasks);
end;
$$;
