-- request_text: have a text in an operator's words queued, as message.send.requested.
--
-- A system text: it counts against no budget and is not judged again. Quiet hours are kept nevertheless,
-- unless it is urgent or the member has written within ten minutes and so is awake.
--
-- arguments    p_member; p_event_id; p_text; p_urgent; p_now
-- result       when it may leave, or null: at once
-- locks        the caller holds lock_member
-- idempotency  primary key events.id
create or replace function request_text(
    p_member users, p_event_id uuid, p_text text, p_urgent boolean, p_now timestamptz
)
returns timestamptz
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_until timestamptz;
begin
    if
        p_urgent is not true
        and not exists (
            select 1
            from messages as m
            where m.user_id = p_member.id and m.direction = 'inbound' and m.created_at >= p_now - interval '10 min'
        )
        and coalesce((
            select b.quiet_hours_enabled
            from user_message_budget as b
            where b.user_id = p_member.id
            order by b.date desc
            limit 1
        ), true)
    then
        v_until := quiet_until(
            p_member.quiet_hours_start, p_member.quiet_hours_end,
            member_zone(p_member.timezone, p_member.phone_number), p_now
        );
    end if;
    insert into events (
        id, event_type, aggregate_id, aggregate_type, payload, metadata, processed, created_at, created_by
    )
    values (
        p_event_id, 'message.send.requested', p_member.id, 'user',
        jsonb_strip_nulls(jsonb_build_object(
            'user_id', p_member.id,
            'message_data', '{"kind": "system"}'::jsonb,
            'final_message', p_text,
            'priority', 'high',
            'scheduled_for', v_until
        )),
        '{}', false, p_now, 'operator'
    )
    on conflict (id) do nothing;
    return v_until;
end;
$$;
