-- refresh_texts: a member has written, so what was to be said unasked is judged afresh before it leaves.
--
-- Queued proactive texts get requires_fresh_context, but for the parts of a sequence that has begun.
-- Whoever is judging a text of the member's loses it, having read an older conversation (protocol.md,
-- 28), and holds are released (24).
--
-- arguments    p_user_id
-- locks        the caller holds lock_member
-- idempotency  by state
create or replace function refresh_texts(p_user_id uuid)
returns void
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    perform release_holds(p_user_id);
    update message_queue
    set message_data = message_data - 'render'
    where
        user_id = p_user_id
        and status = 'queued'
        and as_object(message_data) ? 'render';
    update message_queue as q
    set requires_fresh_context = true
    where
        q.user_id = p_user_id
        and q.status = 'queued'
        and q.delivered_message_id is null
        and q.requires_fresh_context is not true
        and coalesce(as_object(q.message_data) ->> 'kind', 'proactive') not in ('reply', 'system')
        and not exists (
            select 1
            from message_queue as p
            where
                p.sequence_id = q.sequence_id
                and p.user_id = q.user_id
                and p.delivered_message_id is not null
        );
end;
$$;
