-- commit_batch: commit several units of work in one call, each for itself.
--
-- What becomes of a unit is what commit_work makes of it, whatever becomes of the others. Units that
-- only end a task, without a change or a call to record, are ended together by one statement.
--
-- arguments    p_units, array of at most 100 {work, token}, as commit_work takes them
--              p_now, tests and the local clock only
-- result       {outcome: committed, results: what commit_work answers to each, in the same order}
--              {outcome: invalid, error}  the batch itself is wrong: nothing of it was applied
--              {outcome: retry}      a lock was not to be had in 2 s: nothing of it was applied
-- locks        users rows of all members concerned, sorted; the tasks that are only ended, sorted; then
--              what commit_work locks, unit by unit
-- idempotency  commit_work's
create or replace function commit_batch(p_units jsonb, p_now timestamptz default null)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
-- Planning for each batch anew costs more than the batch; its plans depend on no number.
set plan_cache_mode = force_generic_plan
as $$
declare
    c_max_units constant integer := 100;
    c_max_members constant integer := 100;
    c_shortest_lease constant interval := '15 s'; -- claim_tasks
    v_tasks uuid [];
    v_tokens text [];
    v_members uuid [];
    v_member uuid;
    v_due uuid [] := '{}';
    v_ended jsonb;
    v_unit record;
    v_result jsonb;
    v_results jsonb [] := '{}';
    v_now timestamptz;
begin
    if jsonb_typeof(p_units) is distinct from 'array' or jsonb_array_length(p_units) > c_max_units then
        return '{"outcome": "invalid", "error": "a batch is an array of at most 100 units of work"}';
    end if;
    begin
        select
            array_agg((u.value #>> '{work,task}')::uuid), array_agg(u.value ->> 'token')
        into v_tasks, v_tokens
        from jsonb_array_elements(p_units) as u
        where
            u.value #>> '{work,task}' is not null
            and coalesce(u.value #> '{work,events}', '[]') = '[]'
            and coalesce(u.value #> '{work,changes}', '[]') = '[]'
            and coalesce(u.value #> '{work,calls}', '[]') = '[]'
            and coalesce(u.value #> '{work,members}', '[]') = '[]';
    exception
        when invalid_text_representation then null; -- a broken unit: one by one, then
    end;
    v_members := array(
        select t.user_id from agent_tasks as t
        where t.id = any(v_tasks) and t.user_id is not null
        order by t.user_id
    );
    if coalesce(cardinality(v_tasks), 0) < jsonb_array_length(p_units) then
        v_members := array(
            select distinct m.id
            from (
                select unnest(v_members) as id
                union all
                select t.user_id
                from jsonb_array_elements(p_units) as u
                inner join agent_tasks as t on t.id = as_uuid(u.value #>> '{work,task}')
                union all
                select e.aggregate_id
                from jsonb_array_elements(p_units) as u
                inner join events as e on e.id = as_uuid(u.value #>> '{work,events,0}')
                where e.aggregate_type = 'user'
                union all
                -- A path looks into whatever there is; what is no id or no list fails in its unit.
                select as_uuid(n.value #>> '{}') from jsonb_path_query(p_units, '$[*].work.members[*]') as n (value)
                union all
                select as_uuid(n.value #>> '{}')
                from jsonb_path_query(p_units, '$[*].work.changes[*] ? (@.table == "users").id') as n (value)
                union all
                select as_uuid(n.value #>> '{}')
                from jsonb_path_query(p_units, '$[*].work.changes[*].row.user_id') as n (value)
            ) as m
            where m.id is not null
            order by m.id
        );
    end if;
    if cardinality(v_members) > c_max_members then
        return '{"outcome": "invalid", "error": "a batch touches at most 100 members"}';
    end if;
    foreach v_member in array v_members loop
        perform lock_member(v_member);
    end loop;
    v_now := coalesce(p_now, clock_timestamp());

    if v_tasks is not null then
        if v_members <> '{}' then
            v_due := array(
                select distinct q.user_id
                from message_queue as q
                where
                    q.user_id = any(v_members)
                    and q.status = 'queued'
                    and q.delivered_message_id is null
                    and q.scheduled_for <= v_now
            );
        end if;
        with held as (
            select t.id
            from agent_tasks as t
            where
                t.id = any(v_tasks)
                and t.status is not distinct from 'processing'
                and t.result_json #>> '{claim,token}' = v_tokens[array_position(v_tasks, t.id)]
                -- Whether a lease that ran out is still its holder's is for commit_work to see. A young one has not.
                and (
                    t.user_id is null
                    or t.last_attempted_at > v_now - c_shortest_lease
                    or as_time(t.result_json #>> '{claim,until}') > v_now
                )
            order by t.id
            for update
        ),

        ended as (
            update agent_tasks as t
            set
                status = 'completed',
                completed_at = v_now,
                result_json = t.result_json - 'claim' - 'dependency' || jsonb_build_object(
                    'done', jsonb_build_object(
                        'token', t.result_json #> '{claim,token}',
                        'result', jsonb_build_object(
                            'outcome', 'applied',
                            'emitted', '[]'::jsonb,
                            'texts_due',
                            case when t.user_id = any(v_due) then jsonb_build_array(t.user_id) else '[]' end,
                            'more', null
                        )
                    )
                )
            where t.id = any(array(select held.id from held))
            returning t.id, t.user_id, t.result_json #> '{done}' as done
        )

        select
            jsonb_object_agg(
                concat_ws(' ', e.id, e.done ->> 'token'),
                case
                    when e.user_id is null then e.done -> 'result'
                    else e.done -> 'result' || jsonb_build_object('more', next_open_event(e.user_id, v_now))
                end
            )
        into v_ended
        from ended as e;
    end if;

    for v_unit in
        select u.value -> 'work' as work, u.value ->> 'token' as token
        from jsonb_array_elements(p_units) with ordinality as u (value, position)
        order by u.position
    loop
        v_result := v_ended -> concat_ws(' ', v_unit.work ->> 'task', v_unit.token);
        if v_result is null then
            v_result := commit_work(v_unit.work, as_uuid(v_unit.token), p_now);
        end if;
        v_results := v_results || v_result;
    end loop;
    return jsonb_build_object('outcome', 'committed', 'results', to_jsonb(v_results));
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
