-- queued_at: when a text was queued, or the best that is known of it.
--
-- created_at may be null; then it is no older than the time it was first due at.
--
-- arguments    p_text
-- result       timestamptz
-- locks        none
create or replace function queued_at(p_text message_queue)
returns timestamptz
language sql
stable
set search_path = public, pg_temp
as $$
    select coalesce(
        p_text.created_at, as_time(as_object(p_text.message_data) #>> '{hold,due}'), p_text.scheduled_for
    );
$$;
