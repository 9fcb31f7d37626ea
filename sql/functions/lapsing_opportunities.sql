-- lapsing_opportunities: the introductions that will not be made any more.
--
-- behaviour.md, "Intros": open ones past their 30 days, or whose prospect was introduced by another or is a
-- member by now; accepted ones to which the other side has not said yes in that time; agreed ones that were
-- not made within 30 days after the follow-up, which comes after 7. The oldest first.
--
-- arguments    p_now; p_limit
-- result       array of intro_document
-- locks        none: the commit expects status and agreed_at as they are read here
create or replace function lapsing_opportunities(p_now timestamptz, p_limit integer)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return (
        select coalesce(jsonb_agg(intro_document(d.id) order by d.created_at, d.id), '[]')
        from (
            select o.id, o.created_at
            from intro_opportunities as o
            where
                (
                    o.status in ('open', 'accepted')
                    and o.intro_scheduled_at is null
                    and coalesce(o.expires_at, o.created_at + interval '30 days', p_now) <= p_now
                )
                or (o.status = 'accepted' and o.intro_scheduled_at <= p_now - interval '37 days')
                or (
                    o.status = 'open'
                    and (
                        exists (
                            select 1 from prospects as p
                            where p.id = o.prospect_id and p.converted_to_user_id is not null
                        )
                        or exists (
                            select 1
                            from intro_opportunities as c
                            where
                                c.status = 'completed'
                                and c.id <> o.id
                                and (
                                    c.prospect_id = o.prospect_id
                                    or (
                                        c.innovator_id = o.innovator_id
                                        and (c.prospect_id is null or o.prospect_id is null)
                                        and lower(btrim(c.prospect_name)) = lower(btrim(o.prospect_name))
                                        and lower(btrim(coalesce(c.prospect_company, '')))
                                        = lower(btrim(coalesce(o.prospect_company, '')))
                                    )
                                )
                        )
                    )
                )
            order by o.created_at, o.id
            limit p_limit
        ) as d
    );
end;
$$;
