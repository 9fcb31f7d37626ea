-- render_context: everything that judging a queued text needs, as one JSON document (lib/engine/render.py).
--
-- arguments    p_text, the text or the first queued part of a sequence; p_now
-- result       what turn_context gives, without new texts, and {agent_id, topic, items: types of the
--              priorities it is about, drafts [{id, content, created_at}]: the text, or the parts that
--              are left of its sequence, in order; content is null while nobody has written it}
-- locks        none of its own: meaningful only under lock_member
create or replace function render_context(p_text message_queue, p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_data jsonb := as_object(p_text.message_data);
begin
    return turn_context(p_text.user_id, '{}', p_now) || jsonb_build_object(
        'agent_id', p_text.agent_id,
        'topic', v_data ->> 'topic',
        'items', case
            when jsonb_typeof(v_data -> 'items') = 'array'
                then (
                    select coalesce(jsonb_agg(distinct p.item_type), '[]')
                    from user_priorities as p
                    where
                        p.user_id = p_text.user_id
                        and p.id in (select as_uuid(i.value) from jsonb_array_elements_text(v_data -> 'items') as i)
                )
            else '[]'
        end,
        'drafts', (
            select
                jsonb_agg(
                    jsonb_build_object('id', q.id, 'content', q.final_message, 'created_at', coalesce(q.created_at, p_now))
                    order by q.sequence_position, q.id
                )
            from message_queue as q
            where
                q.user_id = p_text.user_id
                and q.status = 'queued'
                and q.delivered_message_id is null
                and coalesce(q.sequence_id, q.id) = coalesce(p_text.sequence_id, p_text.id)
        )
    );
end;
$$;
