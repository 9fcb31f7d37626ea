-- record_email_verified: a mail has proved that an address is its member's; the event that says so.
--
-- The caller has checked who sent the mail and that the token is genuine. What only the database knows
-- is checked here: that the token is not over, that the address is still the member's and not proved
-- yet, and that the token was not used before.
--
-- arguments    p_proof {event_id, user_id, email, token_id, expires_at}; p_now
-- result       {outcome: recorded | duplicate | refused | retry, event_id: the open event, or null}
--              duplicate: this very mail has been recorded
-- locks        the member's users row
-- idempotency  primary key events.id; one event for each token (events_one_verification_per_token)
create or replace function record_email_verified(p_proof jsonb, p_now timestamptz default null)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_event_id uuid := p_proof ->> 'event_id';
    v_user_id uuid := p_proof ->> 'user_id';
    v_now timestamptz;
begin
    if not lock_member(v_user_id) then
        return '{"outcome": "refused", "event_id": null}';
    end if;
    v_now := coalesce(p_now, clock_timestamp());
    if exists (select 1 from events where id = v_event_id) then
        return jsonb_build_object(
            'outcome', 'duplicate',
            'event_id', (select e.id from events as e where e.id = v_event_id and e.processed is not true)
        );
    end if;
    if
        (p_proof ->> 'expires_at')::timestamptz <= v_now
        or not exists (
            select 1
            from users as u
            where u.id = v_user_id and lower(u.email) = p_proof ->> 'email' and u.email_verified is not true
        )
    then
        return '{"outcome": "refused", "event_id": null}';
    end if;
    insert into events (
        id, event_type, aggregate_id, aggregate_type, payload, metadata, processed, created_at, created_by
    )
    values (
        v_event_id, 'user.email_verified', v_user_id, 'user',
        jsonb_build_object('email', p_proof ->> 'email', 'token_id', p_proof ->> 'token_id'),
        '{}', false, v_now, 'email_webhook'
    )
    on conflict do nothing;
    if not found then
        return '{"outcome": "refused", "event_id": null}';
    end if;
    return jsonb_build_object('outcome', 'recorded', 'event_id', v_event_id);
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
