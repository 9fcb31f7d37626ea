-- claim_tasks: take a batch of due tasks, each under a lease of its own.
--
-- Order: high > medium > low, then scheduled_for, then id. A task of a member is claimed under the
-- member's lease: at most one task of a member in a batch, and none while an event or another task of
-- theirs is being decided; tasks without a member are free. What another caller holds is skipped, never
-- waited for. Looks at the due tasks a window at a time, so that a claim costs what it takes and not what
-- is queued (index agent_tasks_due), and gives up after 10,000 of them.
--
-- An attempt is counted here, so that a crash counts. Tasks whose lease ran out are given back first,
-- or failed when it was their last attempt (behaviour.md, "Tasks").
--
-- arguments    p_token, made by the caller: the same token gets the same claim again
--              p_limit, 1 to 100 tasks; p_lease_s, seconds, at least the deadline + 15 s
--              p_now, tests and the local clock only
-- result       {outcome: claimed, token, now, tasks [see task_document], more: was the batch full}
--              {outcome: retry}: the same call still runs
-- locks        the token (advisory), users rows, then agent_tasks rows, skipping locked ones
-- idempotency  by p_token, as long as a task of the claim is neither committed nor failed
create or replace function claim_tasks(
    p_token uuid,
    p_limit integer default 10,
    p_lease_s integer default 600,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
-- Planning for each call's own numbers costs more than the claim, and no plan here depends on them.
set plan_cache_mode = force_generic_plan
as $$
declare
    c_looked_at_most constant integer := 10000;
    c_reaped_at_most constant integer := 200;
    c_shortest_lease_s constant integer := 15;
    c_foreign_lease constant interval := '10 min';
    c_window_most constant integer := 200;
    c_counted_at_most constant integer := 1000000;
    v_limit integer := least(greatest(coalesce(p_limit, 10), 1), 100);
    v_lease_s integer := greatest(coalesce(p_lease_s, 600), c_shortest_lease_s);
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_is_any_old boolean;
    v_looked_at integer := 0;
    v_wanted integer;
    v_window integer;
    v_seen integer;
    v_after_time timestamptz;
    v_after_id uuid;
    v_ids uuid [];
    v_users uuid [];
    v_times timestamptz [];
    v_user_id uuid;
    v_members uuid [] := '{}';
    v_free uuid [];
    v_claimed uuid [];
    v_taken uuid [] := '{}';
    v_claim jsonb := jsonb_build_object(
        'claim', jsonb_build_object('token', p_token, 'until', lease_end(v_lease_s, v_now))
    );
begin
    -- A call repeated by an impatient client must not claim beside the one that still runs.
    if not pg_try_advisory_xact_lock(hashtextextended(p_token::text, 0)) then
        return '{"outcome": "retry"}';
    end if;
    -- What is younger than the shortest lease cannot have run out; that is cheap to see.
    select
        array_agg(t.id) filter (where t.result_json #>> '{claim,token}' = p_token::text),
        bool_or(
            coalesce(t.last_attempted_at, t.scheduled_for) <= v_now - make_interval(secs => c_shortest_lease_s)
        )
    into v_claimed, v_is_any_old
    from agent_tasks as t
    where (t.status = 'processing') is true;

    if v_claimed is null and v_is_any_old then
        with expired as (
            select t.id, coalesce(t.retry_count, 0) >= coalesce(t.max_retries, 3) as is_spent
            from agent_tasks as t
            where
                (t.status = 'processing') is true
                and coalesce(t.last_attempted_at, t.scheduled_for)
                <= v_now - make_interval(secs => c_shortest_lease_s)
                and case
                    when as_time(as_object(t.result_json) #>> '{claim,until}') is null
                        then coalesce(t.last_attempted_at, t.scheduled_for) <= v_now - c_foreign_lease
                    else not lease_runs(t.result_json #>> '{claim,until}', v_now)
                end
            limit c_reaped_at_most
            for update skip locked
        )

        update agent_tasks as t
        set
            status = case when e.is_spent then 'failed' else 'pending' end,
            error_log = case
                when e.is_spent then format('lease ran out in attempt %s, the last one', coalesce(t.retry_count, 0))
                else t.error_log
            end,
            result_json = as_object(t.result_json) - 'claim'
        from expired as e
        where t.id = e.id;
    end if;

    <<ranks>>
    for v_rank in 1..3 loop
        v_after_time := '-infinity';
        v_after_id := '00000000-0000-0000-0000-000000000000';
        loop
            v_wanted := v_limit - cardinality(v_taken);
            exit ranks when v_claimed is not null or v_wanted = 0 or v_looked_at >= c_looked_at_most;
            -- Some are held by others; twice the need is mostly enough at once.
            v_window := least(greatest(2 * v_wanted, v_looked_at), c_window_most);
            select
                array_agg(w.id order by w.scheduled_for, w.id),
                array_agg(w.user_id order by w.scheduled_for, w.id),
                array_agg(w.scheduled_for order by w.scheduled_for, w.id)
            into v_ids, v_users, v_times
            from (
                select t.id, t.user_id, t.scheduled_for
                from agent_tasks as t
                where
                    (t.status = 'pending') is true
                    and (case t.priority when 'high' then 1 when 'low' then 3 else 2 end) = v_rank
                    and t.scheduled_for <= v_now
                    and (t.scheduled_for, t.id) > (v_after_time, v_after_id)
                    -- A member's heap is walked through once, and hides nobody behind it.
                    and (t.user_id is null or t.user_id <> all(v_members))
                order by t.scheduled_for, t.id
                limit v_window
            ) as w;
            exit when v_ids is null;

            v_free := '{}';
            v_seen := cardinality(v_ids);
            for v_place in 1..v_seen loop
                v_user_id := v_users[v_place];
                if v_user_id is not null then
                    if cardinality(v_free) >= v_wanted then
                        -- Nobody is locked in vain.
                        v_seen := v_place - 1;
                        exit;
                    end if;
                    continue when v_user_id = any(v_members);
                    v_members := v_members || v_user_id;
                    -- The member first, in a statement of its own, so that what follows sees what the
                    -- holder before left (protocol.md, 1).
                    perform 1 from users as u where u.id = v_user_id for no key update of u skip locked;
                    continue when not found or member_is_busy(v_user_id, p_token, v_now);
                end if;
                v_free := v_free || v_ids[v_place];
            end loop;
            v_looked_at := v_looked_at + v_seen;
            v_after_time := v_times[v_seen];
            v_after_id := v_ids[v_seen];

            v_taken := v_taken || array(
                select t.id
                from agent_tasks as t
                where
                    t.id = any(v_free)
                    -- As any other query on a task's id, on no account by an index on the status.
                    and t.status is not distinct from 'pending'
                    and t.scheduled_for <= v_now
                order by array_position(v_free, t.id)
                limit v_wanted
                for update of t skip locked
            );
        end loop;
    end loop;

    if v_claimed is null then
        update agent_tasks as t
        set
            status = 'processing',
            last_attempted_at = v_now,
            retry_count = least(greatest(coalesce(t.retry_count, 0), 0), c_counted_at_most) + 1,
            result_json = as_object(t.result_json) || v_claim
        where t.id = any(v_taken);
        v_claimed := v_taken;
    end if;
    return jsonb_build_object(
        'outcome', 'claimed', 'token', p_token, 'now', v_now,
        -- An array of what was built: one jsonb copied into the next costs as much as the claim.
        'tasks', array(
            select task_document(t, v_now)
            from agent_tasks as t
            where t.id = any(v_claimed)
            order by case t.priority when 'high' then 1 when 'low' then 3 else 2 end, t.scheduled_for, t.id
        ),
        'more', cardinality(v_claimed) >= v_limit
    );
end;
$$;
