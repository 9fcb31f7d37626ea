-- restore_reviews: begin the chain of reviews anew for members whose chain is broken (protocol.md, 19).
--
-- Each review schedules the next one in its own commit, so a chain breaks where one was given up or deleted
-- by hand; members who are older than this system have never had one. Who is not active any more has none
-- on purpose, and their next text begins it.
--
-- arguments    p_every_s, seconds between two reviews of a member; a chain is restored once in that time
--              p_active_s, seconds: who has written so lately is active
--              p_limit ≤ 10,000 members; p_now
-- result       {outcome: restored, tasks: reviews scheduled, spread over p_every_s}
-- locks        none; a turn that begins the chain at the same moment is no harm: from the second review
--              on, both have the same slots
-- idempotency  by the tasks' ids, and by state
create or replace function restore_reviews(
    p_every_s integer, p_active_s integer, p_limit integer default 1000, p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_every_s integer := greatest(p_every_s, 1);
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_slot bigint := floor(extract(epoch from v_now) / v_every_s);
    v_tasks integer;
begin
    insert into agent_tasks (
        id, task_type, agent_type, user_id, context_json, priority, scheduled_for, created_at, created_by
    )
    select
        md5(format('%s:restored_review:%s', u.id, v_slot))::uuid, 'account_manager_review', 'account_manager', u.id,
        '{}', 'low', v_now + make_interval(secs => abs(hashtext(u.id::text)::bigint) % v_every_s), v_now, 'event_sweeper'
    from users as u
    where
        u.verified is true
        and u.last_active_at > v_now - make_interval(secs => p_active_s)
        and not exists (
            select 1
            from agent_tasks as t
            where
                t.user_id = u.id
                and t.task_type = 'account_manager_review'
                and (t.status in ('pending', 'processing') or t.id = md5(format('%s:restored_review:%s', u.id, v_slot))::uuid)
        )
    limit least(greatest(p_limit, 1), 10000)
    on conflict (id) do nothing;
    get diagnostics v_tasks = row_count;
    return jsonb_build_object('outcome', 'restored', 'tasks', v_tasks);
end;
$$;
