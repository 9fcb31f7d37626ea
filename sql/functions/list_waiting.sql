-- list_waiting: who waits for an operator's approval: onboarding complete, neither taken on nor rejected.
--
-- arguments    p_after, p_after_id: where the page before ended, or null; p_limit ≤ 200; p_now
-- result       {outcome: found, members: array of member_card, who has waited longest first,
--               next: {completed_at, id} or null}
-- locks        none
create or replace function list_waiting(
    p_after timestamptz default null,
    p_after_id uuid default null,
    p_limit integer default 50,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_limit integer := least(greatest(p_limit, 1), 200);
    v_members jsonb;
begin
    select coalesce(jsonb_agg(w.card order by w.completed_at, w.id), '[]')
    into v_members
    from (
        select c.id, c.card, (c.card ->> 'completed_at')::timestamptz as completed_at
        from (
            select u.id, member_card(u) as card
            from users as u
            where
                u.verified is not true
                and coalesce(u.status_level, 'member') not in ('rejected', 'suspended', 'erased')
                and exists (
                    select 1
                    from events as e
                    where
                        e.aggregate_id = u.id
                        and e.aggregate_type = 'user'
                        and e.event_type = 'user.onboarding_completed'
                )
        ) as c
        where
            p_after is null
            or ((c.card ->> 'completed_at')::timestamptz, c.id)
            > (p_after, coalesce(p_after_id, '00000000-0000-0000-0000-000000000000'))
        order by completed_at, c.id
        limit v_limit
    ) as w;
    return jsonb_build_object(
        'outcome', 'found',
        'members', v_members,
        'next', case when jsonb_array_length(v_members) = v_limit then
            jsonb_build_object('completed_at', v_members #> '{-1,completed_at}', 'id', v_members #> '{-1,id}')
        end
    );
end;
$$;
