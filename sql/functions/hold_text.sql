-- hold_text: hold a queued text (and the rest of its sequence) back, saying why and until when.
--
-- Moves scheduled_for, so that a held row costs the next claims nothing, and keeps the time it was
-- due at in hold.due, for its order (protocol.md, 24).
--
-- arguments    p_id; p_rule: hourly_limit | daily_limit | quiet_hours | sequence_incomplete; p_until
-- locks        the caller holds lock_member
create or replace function hold_text(p_id uuid, p_rule text, p_until timestamptz)
returns void
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_text message_queue%rowtype;
begin
    select * into v_text from message_queue where id = p_id;
    update message_queue
    set
        scheduled_for = greatest(p_until, scheduled_for),
        message_data = as_object(message_data) || jsonb_build_object(
            'hold', jsonb_build_object(
                'rule', p_rule, 'until', p_until,
                'due', coalesce(as_object(message_data) #>> '{hold,due}', to_jsonb(scheduled_for) #>> '{}')
            )
        )
    where
        id = p_id
        or (
            sequence_id = v_text.sequence_id
            and user_id = v_text.user_id
            and status = 'queued'
            and delivered_message_id is null
        );
end;
$$;
