-- list_dead_letters: the events and tasks that were given up, newest first.
--
-- For operators (lib/console). Says what, when and why, never what anybody wrote.
--
-- arguments    p_type, of one event or task type only; p_since, created then or later (events), due then
--              or later (tasks); p_limit ≤ 200; p_now
-- result       {outcome: listed, letters [{id, kind: event | task, type, user_id, created_at, died_at,
--               attempts, error}], more: are any left out}
-- locks        none
create or replace function list_dead_letters(
    p_type text default null,
    p_since timestamptz default null,
    p_limit integer default 50,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    c_look_back constant interval := '30 days';
    v_limit integer := least(greatest(p_limit, 1), 200);
    v_since timestamptz := coalesce(p_since, coalesce(p_now, clock_timestamp()) - c_look_back);
    v_letters jsonb;
begin
    with letters as (
        (
            select
                e.id,
                'event' as kind,
                e.event_type as type,
                case when e.aggregate_type = 'user' then e.aggregate_id end as user_id,
                e.created_at,
                as_time(e.metadata #>> '{dead,at}') as died_at,
                as_count(e.metadata ->> 'attempt') as attempts,
                left(e.metadata #>> '{dead,error}', 200) as error
            from events as e
            where
                e.processed
                and e.created_at >= v_since
                and as_object(e.metadata) ? 'dead'
                and (p_type is null or e.event_type = p_type)
            order by e.created_at desc
            limit v_limit + 1
        )
        union all
        (
            select
                t.id,
                'task' as kind,
                t.task_type as type,
                t.user_id,
                t.created_at,
                t.last_attempted_at as died_at,
                t.retry_count as attempts,
                left(t.error_log, 200) as error
            from agent_tasks as t
            where
                t.status = 'failed'
                and t.scheduled_for >= v_since
                and (p_type is null or t.task_type = p_type)
            order by t.scheduled_for desc
            limit v_limit + 1
        )
    )

    select jsonb_agg(to_jsonb(l) order by l.created_at desc nulls last, l.id)
    into v_letters
    from letters as l;
    return jsonb_build_object(
        'outcome', 'listed',
        'letters', coalesce(
            jsonb_path_query_array(v_letters, '$[0 to $last]', jsonb_build_object('last', v_limit - 1)), '[]'
        ),
        'more', coalesce(jsonb_array_length(v_letters) > v_limit, false)
    );
end;
$$;
