-- commit_work: apply a unit of work in one transaction, or nothing of it.
--
-- The second and last database call of every decision. Refuses when the lease is no longer the
-- caller's; a repeated commit gets the first one's result (protocol.md, 2, 6-9, 11).
--
-- arguments    p_work {events: ids claimed, or task: id claimed; changes: see apply_change,
--                      calls: agent_actions_log rows, members: ids of further members whose state was
--                      read, final: boolean}
--              p_token, the claim's
--              p_now, tests and the local clock only
-- result       {outcome: applied, more: id of the member's next open event or null,
--               emitted: ids of open events to publish, texts_due: members with a text due now}
--              {outcome: stale}      the lease is somebody else's: leave
--              {outcome: newer}      texts came meanwhile (unless final): claim again, decide again
--              {outcome: conflict, change, table}  a row is not as expected: claim again, decide again
--              {outcome: conflict, change, table, reason: overdraft}  it spends more credits than there are
--              {outcome: invalid, change, error}   the unit itself is wrong; change is the number of the
--              offending one from 1, null where it is none of them
--              {outcome: retry}      a lock was not to be had in 2 s
-- locks        users rows of all members concerned, sorted; the source; then rows to be updated,
--              sorted by (table, id)
-- idempotency  events.metadata.done, or agent_tasks.result_json.done, keeps {token, result}; rows have
--              ids made by the caller
create or replace function commit_work(p_work jsonb, p_token uuid, p_now timestamptz default null)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    c_max_members constant integer := 100;
    c_max_changes constant integer := 500;
    v_ids uuid [] := '{}';
    v_task_id uuid;
    v_changes jsonb := coalesce(p_work -> 'changes', '[]');
    v_calls jsonb := coalesce(p_work -> 'calls', '[]');
    v_further jsonb := coalesce(p_work -> 'members', '[]');
    v_named uuid [] := '{}';
    v_source events%rowtype;
    v_task agent_tasks%rowtype;
    v_owner uuid;
    v_members uuid [];
    v_member uuid;
    v_held integer;
    v_runs boolean;
    v_change jsonb;
    v_number integer;
    v_result jsonb;
    v_done jsonb;
    v_now timestamptz;
begin
    -- Most units leave most of these empty, and a statement costs more than looking whether it has work.
    if jsonb_typeof(v_changes) <> 'array' or jsonb_typeof(v_further) <> 'array' then
        return '{"outcome": "invalid", "change": null, "error": "changes and members are arrays"}';
    end if;
    begin
        v_task_id := p_work ->> 'task';
        if jsonb_typeof(p_work -> 'events') = 'array' then
            v_ids := array(select value::uuid from jsonb_array_elements_text(p_work -> 'events'));
        end if;
        if v_further <> '[]' then
            v_named := array(select value::uuid from jsonb_array_elements_text(v_further));
        end if;
    exception
        when invalid_text_representation then
            return '{"outcome": "invalid", "change": null, "error": "sources and members are named by their ids"}';
    end;
    if (cardinality(v_ids) = 0) = (v_task_id is null) then
        return '{"outcome": "invalid", "change": null, "error": "a unit of work needs one source"}';
    end if;
    if jsonb_array_length(v_changes) > c_max_changes then
        return '{"outcome": "invalid", "change": null, "error": "a unit of work makes at most 500 changes"}';
    end if;
    if v_task_id is not null then
        select user_id into v_owner from agent_tasks where id = v_task_id;
    else
        select * into v_source from events where id = v_ids[1];
        v_owner := case when v_source.aggregate_type = 'user' then v_source.aggregate_id end;
    end if;
    v_members := array_remove(array[v_owner], null);
    if v_changes <> '[]' or v_further <> '[]' then
        v_members := array(
            select distinct m.id
            from (
                select v_owner as id
                union all
                select unnest(v_named)
                union all
                -- What is no id fails below, under its change's number.
                select as_uuid(c.value ->> 'id') from jsonb_array_elements(v_changes) as c where c.value ->> 'table' = 'users'
                union all
                select as_uuid(c.value #>> '{row,user_id}') from jsonb_array_elements(v_changes) as c
            ) as m
            where m.id is not null
            order by m.id
        );
    end if;
    if cardinality(v_members) > c_max_members then
        return '{"outcome": "invalid", "change": null, "error": "a unit of work touches at most 100 members"}';
    end if;
    foreach v_member in array v_members loop
        perform lock_member(v_member);
    end loop;
    if v_task_id is not null then
        select * into v_task from agent_tasks where id = v_task_id for update;
        v_now := coalesce(p_now, clock_timestamp());
        if v_task.status = 'completed' and v_task.result_json #>> '{done,token}' = p_token::text then
            return v_task.result_json #> '{done,result}';
        end if;
        if
            p_token is null
            or v_task.status is distinct from 'processing'
            or v_task.result_json #>> '{claim,token}' is distinct from p_token::text
        then
            return '{"outcome": "stale"}';
        end if;
        v_runs := lease_runs(v_task.result_json #>> '{claim,until}', v_now);
    else
        perform 1 from events where id = any(v_ids) order by id for update;
        v_now := coalesce(p_now, clock_timestamp());
        select as_object(e.metadata) #> '{done,result}' into v_result
        from events as e
        where e.id = v_ids[1] and e.processed is true and e.metadata #>> '{done,token}' = p_token::text;
        if found then
            return v_result;
        end if;
        select count(*), bool_and(lease_runs(e.metadata #>> '{lease,until}', v_now)) into v_held, v_runs
        from events as e
        where e.id = any(v_ids) and e.processed is not true and e.metadata #>> '{lease,token}' = p_token::text;
        if v_held <> cardinality(v_ids) then
            return '{"outcome": "stale"}';
        end if;
    end if;
    -- A lease that ran out stays its holder's until somebody takes the member, be it for other work.
    if not v_runs and v_owner is not null and member_is_busy(v_owner, p_token, v_now) then
        return '{"outcome": "stale"}';
    end if;

    if v_source.event_type = 'user.message.received' and p_work -> 'final' is distinct from 'true' then
        perform 1
        from events as e
        where
            e.aggregate_id = v_source.aggregate_id
            and e.aggregate_type = 'user'
            and e.event_type = 'user.message.received'
            and e.processed is not true
            and e.id <> all(v_ids)
            and coalesce(as_count(as_object(e.metadata) ->> 'attempt'), 0) < 2;
        if found then
            return '{"outcome": "newer"}';
        end if;
    end if;

    if v_changes <> '[]' or v_calls <> '[]' then
        begin
            for v_change, v_number in
                select c.value, c.position
                from jsonb_array_elements(v_changes) with ordinality as c (value, position)
                where c.value ->> 'op' <> 'insert' and c.value ->> 'table' not in ('users', 'events')
                order by c.value ->> 'table', c.value ->> 'id'
            loop
                perform checked_columns(v_change ->> 'table', '{"id": null}');
                execute format('select 1 from %I where id = $1 for no key update', v_change ->> 'table')
                using (v_change ->> 'id')::uuid;
            end loop;
            for v_change, v_number in
                select c.value, c.position
                from jsonb_array_elements(v_changes) with ordinality as c (value, position)
                order by c.position
            loop
                if not apply_change(v_change, v_now) then
                    raise exception 'conflict' using errcode = 'YP002';
                end if;
            end loop;
            v_number := null;
            v_change := null;
            perform log_calls(v_calls, v_now);
        exception
            when sqlstate 'YP002' then
                return jsonb_build_object('outcome', 'conflict', 'change', v_number, 'table', v_change ->> 'table');
            when sqlstate 'YP003' then
                return jsonb_build_object(
                    'outcome', 'conflict', 'change', v_number, 'table', v_change ->> 'table', 'reason', 'overdraft'
                );
            when sqlstate 'YP001' or unique_violation then
                -- What the server says of a taken value names the index only.
                return jsonb_build_object('outcome', 'invalid', 'change', v_number, 'error', sqlerrm);
            when integrity_constraint_violation or data_exception or syntax_error_or_access_rule_violation then
                -- The server's own words may quote a value; its code and the place do not.
                return jsonb_build_object(
                    'outcome', 'invalid', 'change', v_number,
                    'error', format('%s (%s)', coalesce('changes ' || (v_change ->> 'table'), 'calls'), sqlstate)
                );
        end;
    end if;

    v_result := '{"outcome": "applied", "emitted": [], "texts_due": []}';
    if v_changes <> '[]' then
        v_result := jsonb_set(v_result, '{emitted}', coalesce((
            select jsonb_agg(c.value #> '{row,id}' order by c.position)
            from jsonb_array_elements(v_changes) with ordinality as c (value, position)
            where
                c.value ->> 'op' = 'insert'
                and c.value ->> 'table' = 'events'
                and (c.value #>> '{row,processed}')::boolean is not true
        ), '[]'));
    end if;
    if v_members <> '{}' then
        v_result := jsonb_set(v_result, '{texts_due}', coalesce((
            select jsonb_agg(distinct q.user_id)
            from message_queue as q
            where
                q.user_id = any(v_members)
                and q.status = 'queued'
                and q.delivered_message_id is null
                and q.scheduled_for <= v_now
        ), '[]'));
    end if;
    -- Kept for a repeated commit, which cannot know whether more work waits by then.
    v_done := jsonb_build_object('done', jsonb_build_object('token', p_token, 'result', v_result || '{"more": null}'));
    if v_task_id is not null then
        update agent_tasks
        set
            status = 'completed',
            completed_at = v_now,
            result_json = result_json - 'claim' - 'dependency' || v_done
        where id = v_task_id;
    else
        update events
        set
            processed = true,
            metadata = as_object(metadata) - 'lease' - 'alone' - 'retry_at' || v_done
        where id = any(v_ids);
    end if;
    return v_result || jsonb_build_object('more', case when v_owner is not null then next_open_event(v_owner, v_now) end);
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
