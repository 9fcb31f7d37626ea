-- intro_document: an introduction that a member could make, as deciding about it needs it
-- (lib/engine/turn.py, Opportunity).
--
-- behaviour.md, "Intros". The names of the two members are in it once both have said yes, which is when
-- intro_scheduled_at is set; `hidden` and `innovator_email` are for code alone. Competing is what would lead
-- to the same prospect.
--
-- arguments    p_id, intro_opportunities.id
-- result       the document, or null: there is no such opportunity
-- locks        none: a commit expects status and agreed_at as they are read here
create or replace function intro_document(p_id uuid)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return (
        select jsonb_build_object(
            'id', o.id,
            'connector_user_id', o.connector_user_id,
            'innovator_user_id', v.user_id,
            'prospect_name', o.prospect_name,
            'prospect_title', o.prospect_title,
            'prospect_company', o.prospect_company,
            'bounty', greatest(coalesce(o.bounty_credits, 50), 0),
            'status', o.status,
            'created_at', o.created_at,
            'expires_at', coalesce(o.expires_at, o.created_at + interval '30 days'),
            'agreed_at', o.intro_scheduled_at,
            'offer', v.solution_description,
            'categories', v.categories,
            'hidden', to_jsonb(
                array_remove(array[v.company_name, o.innovator_name, u.first_name, u.last_name, u.company]::text [], null)
            ),
            'innovator_email', coalesce(o.intro_email, u.email),
            'innovator_balance', u.credit_balance,
            'innovator_name', case
                when o.intro_scheduled_at is not null
                    then coalesce(o.innovator_name, nullif(btrim(concat_ws(' ', u.first_name, u.last_name)), ''))
            end,
            'innovator_company', case when o.intro_scheduled_at is not null then v.company_name end,
            'connector_name', case
                when o.intro_scheduled_at is not null then nullif(btrim(concat_ws(' ', k.first_name, k.last_name)), '')
            end,
            'prospect_is_member', coalesce(p.converted_to_user_id is not null, false),
            'priorities', intro_items(o.id),
            'competing', coalesce((
                select jsonb_agg(
                    jsonb_build_object(
                        'id', c.id,
                        'status', c.status,
                        'expires_at', coalesce(c.expires_at, c.created_at + interval '30 days'),
                        'priorities', intro_items(c.id)
                    ) order by c.id
                )
                from (
                    select *
                    from intro_opportunities as r
                    where
                        r.id <> o.id
                        and r.status in ('open', 'accepted', 'completed')
                        and (
                            r.prospect_id = o.prospect_id
                            or (
                                r.innovator_id = o.innovator_id
                                and (r.prospect_id is null or o.prospect_id is null)
                                and lower(btrim(r.prospect_name)) = lower(btrim(o.prospect_name))
                                and lower(btrim(coalesce(r.prospect_company, '')))
                                = lower(btrim(coalesce(o.prospect_company, '')))
                            )
                        )
                    order by r.id
                    limit 20
                ) as c
            ), '[]')
        )
        from intro_opportunities as o
        left join innovators as v on o.innovator_id = v.id
        left join users as u on v.user_id = u.id
        left join users as k on o.connector_user_id = k.id
        left join prospects as p on o.prospect_id = p.id
        where o.id = p_id
    );
end;
$$;
