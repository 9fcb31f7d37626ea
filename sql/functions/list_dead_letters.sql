-- list_dead_letters: the events and tasks that were given up, newest first, a page at a time.
--
-- For operators (lib/console). Says what, when and why, never what anybody wrote.
--
-- State inside metadata is not indexed (protocol.md, 15), so dead events are looked for among the finished
-- ones, in the order of their index: each call looks at 20,000 of them at most and says where the next one
-- goes on. So it takes the same time however many there are. Rows without a time come last.
--
-- arguments    p_type, of one event or task type only
--              p_since, due then or later: created (events) or scheduled for (tasks)
--              p_before, p_before_id: `next` of the page before; p_limit ≤ 200; p_now
-- result       {outcome: listed, letters [{id, kind: event | task, type, user_id, due_at, died_at, attempts,
--               error}], next: {due_at, id} | null}; a page may be empty and still have a next one
-- locks        none
create or replace function list_dead_letters(
    p_type text default null,
    p_since timestamptz default null,
    p_before timestamptz default 'infinity',
    p_before_id uuid default 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    p_limit integer default 50,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    c_looked_at_most constant integer := 20000;
    v_limit integer := least(greatest(coalesce(p_limit, 50), 1), 200);
    v_since timestamptz := coalesce(p_since, '-infinity');
    v_letters jsonb;
    v_next jsonb;
begin
    with looked as materialized (
        select
            e.id,
            e.created_at as due_at,
            -- The plain test first: it spares nearly all of them the call.
            coalesce(e.metadata ? 'dead', false)
            and event_state(e) = 'dead'
            and (p_type is null or e.event_type = p_type) as is_wanted
        from events as e
        where e.processed and e.created_at >= v_since and (e.created_at, e.id) < (p_before, p_before_id)
        order by e.created_at desc, e.id desc
        limit c_looked_at_most
    ),

    -- How far the look went, if it did not reach the end.
    reached as (
        select l.due_at, l.id
        from looked as l
        where (select count(*) from looked) = c_looked_at_most
        order by l.due_at, l.id
        limit 1
    ),

    found as (
        select l.id, l.due_at, 'event' as kind from looked as l where l.is_wanted
        union all
        (
            select e.id, '-infinity' as due_at, 'event' as kind
            from events as e
            where
                e.processed
                and e.created_at is null
                and p_since is null
                and ('-infinity', e.id) < (p_before, p_before_id)
                and not exists (select 1 from reached)
                and event_state(e) = 'dead'
                and (p_type is null or e.event_type = p_type)
            order by e.id desc
            limit v_limit + 1
        )
        union all
        (
            select t.id, t.scheduled_for as due_at, 'task' as kind
            from agent_tasks as t
            where
                t.status = 'failed'
                and (p_type is null or t.task_type = p_type)
                and t.scheduled_for >= v_since
                and (t.scheduled_for, t.id) < (p_before, p_before_id)
                and not exists (select 1 from reached as r where (t.scheduled_for, t.id) < (r.due_at, r.id))
            order by t.scheduled_for desc, t.id desc
            limit v_limit + 1
        )
    ),

    page as (
        select f.*, row_number() over (order by f.due_at desc, f.id desc) as place
        from found as f
        order by place
        limit v_limit + 1
    ),

    letters as (
        select
            p.place,
            p.id,
            p.kind,
            coalesce(e.event_type, t.task_type) as type,
            case when e.aggregate_type = 'user' then e.aggregate_id else t.user_id end as user_id,
            nullif(p.due_at, '-infinity') as due_at,
            coalesce(as_time(e.metadata #>> '{dead,at}'), t.last_attempted_at) as died_at,
            coalesce(as_count(e.metadata ->> 'attempt'), t.retry_count) as attempts,
            left(coalesce(e.metadata #>> '{dead,error}', t.error_log), 200) as error
        from page as p
        left join events as e on p.kind = 'event' and e.id = p.id
        left join agent_tasks as t on p.kind = 'task' and t.id = p.id
        where p.place <= v_limit
    )

    select
        (select jsonb_agg(to_jsonb(l) - 'place' order by l.place) from letters as l),
        case
            when exists (select 1 from page as p where p.place > v_limit)
                then (
                    select jsonb_build_object('due_at', p.due_at, 'id', p.id)
                    from page as p
                    where p.place = v_limit
                )
            else (select jsonb_build_object('due_at', r.due_at, 'id', r.id) from reached as r)
        end
    into v_letters, v_next;
    return jsonb_build_object('outcome', 'listed', 'letters', coalesce(v_letters, '[]'), 'next', v_next);
end;
$$;
