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
    c_applied constant jsonb := '{"outcome": "applied", "emitted": [], "texts_due": [], "more": null}';
    v_tasks uuid [];
    v_tokens text [];
    v_members uuid [];
    v_member uuid;
    v_due uuid [] := '{}';
    v_unit jsonb;
    v_results jsonb [] := '{}';
    v_now timestamptz;
begin
    if jsonb_typeof(p_units) is distinct from 'array' or jsonb_array_length(p_units) > c_max_units then
        return '{"outcome": "invalid", "error": "a batch is an array of at most 100 units of work"}';
    end if;
    begin
        select
            array_agg(
                case
                    when
                        coalesce(u.value #> '{work,events}', '[]') = '[]'
                        and coalesce(u.value #> '{work,changes}', '[]') = '[]'
                        and coalesce(u.value #> '{work,calls}', '[]') = '[]'
                        and coalesce(u.value #> '{work,members}', '[]') = '[]'
                        then (u.value #>> '{work,task}')::uuid
                end
                order by u.position
            ),
            array_agg(u.value ->> 'token' order by u.position)
        into v_tasks, v_tokens
        from jsonb_array_elements(p_units) with ordinality as u (value, position);
    exception
        when invalid_text_representation then null; -- a broken unit: one by one, then
    end;
    v_members := array(
        select t.user_id from agent_tasks as t
        where t.id = any(v_tasks) and t.user_id is not null
        order by t.user_id
    );
    if v_tasks is null or array_position(v_tasks, null) is not null then
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
                    or lease_runs(t.result_json #>> '{claim,until}', v_now)
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
                        'result', case
                            when t.user_id = any(v_due)
                                then c_applied || jsonb_build_object('texts_due', jsonb_build_array(t.user_id))
                            else c_applied
                        end
                    )
                )
            where t.id = any(array(select held.id from held))
            returning array_position(v_tasks, t.id) as place, t.user_id, t.result_json #> '{done,result}' as result
        )

        select array_agg(
            case
                when e.user_id is null then e.result
                else e.result || jsonb_build_object('more', next_open_event(e.user_id, v_now))
            end
            order by p.place
        )
        into v_results
        from generate_subscripts(v_tasks, 1) as p (place)
        left join ended as e on p.place = e.place;
    end if;

    for v_place in 1..jsonb_array_length(p_units) loop
        if v_results[v_place] is null then
            v_unit := p_units -> v_place - 1;
            v_results[v_place] := commit_work(v_unit -> 'work', as_uuid(v_unit ->> 'token'), p_now);
        end if;
    end loop;
    return jsonb_build_object('outcome', 'committed', 'results', to_jsonb(v_results));
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
