-- intro_items: the items on members' lists that are about an introduction.
--
-- arguments    p_id, intro_opportunities.id
-- result       array of {id, user_id, status, value_score, shown: by how many texts it was brought up}
-- locks        none
create or replace function intro_items(p_id uuid)
returns jsonb
language sql
stable
set search_path = public, pg_temp
as $$
    select coalesce(jsonb_agg(
        jsonb_build_object(
            'id', p.id, 'user_id', p.user_id, 'status', p.status, 'value_score', p.value_score, 'shown', (
                select count(distinct coalesce(m.sequence_id, m.id))
                from message_queue as m
                where
                    m.user_id = p.user_id
                    and m.status = 'sent'
                    and m.sent_at >= coalesce(p.created_at, '-infinity')
                    and as_object(m.message_data) -> 'items' ? p.id::text
            )
        ) order by p.id
    ), '[]')
    from user_priorities as p
    where p.item_type = 'intro_opportunity' and p.item_id = p_id;
$$;
