-- unreviewed_members: members whose chain of reviews is broken (protocol.md, 19).
--
-- Each review schedules the next one in its own commit, so a chain breaks where one was given up or deleted
-- by hand; members who are older than this system have never had one. Who is not active any more has none
-- on purpose, and their next text begins it.
--
-- arguments    p_active_s, seconds: who has written so lately is active; p_limit ≤ 1,000 members; p_now
-- result       {outcome: found, now, members: ids}
-- locks        none
-- idempotency  reads only
create or replace function unreviewed_members(
    p_active_s integer, p_limit integer default 1000, p_now timestamptz default null
)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
begin
    return jsonb_build_object(
        'outcome', 'found',
        'now', v_now,
        'members', array(
            select u.id
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
                        and t.status in ('pending', 'processing')
                )
            limit least(greatest(p_limit, 1), 1000)
        )
    );
end;
$$;
