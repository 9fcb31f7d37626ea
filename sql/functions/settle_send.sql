-- settle_send: decide about a stuck text after Twilio's listing was read.
--
-- Takes the first listed SID that no message has; with none, counts an empty listing, and releases
-- the text after two empty listings at least 60 s apart (protocol.md, 23).
--
-- arguments    p_id; p_token, of claim_stuck_sends
--              p_found, array of {sid, status, receipt_key, segments, cost_usd}: texts Twilio lists to
--              that number with this body, created since the claim, oldest first
--              p_now
-- result       {outcome: accepted | waiting | released | stale | retry}
-- locks        the member's users row
-- idempotency  by state and token
create or replace function settle_send(
    p_id uuid, p_token uuid, p_found jsonb, p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_text message_queue%rowtype;
    v_found jsonb;
    v_empty timestamptz;
    v_now timestamptz;
begin
    select * into v_text from message_queue where id = p_id;
    perform lock_member(v_text.user_id);
    v_now := coalesce(p_now, clock_timestamp());
    select * into v_text from message_queue where id = p_id for update;
    if
        v_text.status is distinct from 'queued'
        or v_text.delivered_message_id is null
        or as_object(v_text.message_data) #>> '{send,token}' is distinct from p_token::text
    then
        return '{"outcome": "stale"}';
    end if;
    select f.value into v_found
    from jsonb_array_elements(p_found) with ordinality as f (value, position)
    where not exists (select 1 from messages as m where m.twilio_message_sid = f.value ->> 'sid')
    order by f.position
    limit 1;
    if v_found is not null then
        perform record_sends(
            p_token,
            jsonb_build_array(v_found || jsonb_build_object('id', p_id, 'user_id', v_text.user_id, 'outcome', 'accepted')),
            p_now
        );
        return '{"outcome": "accepted"}';
    end if;
    v_empty := as_time(v_text.message_data #>> '{send,empty_at}');
    if v_empty is not null and v_empty <= v_now - interval '60 s' then
        perform release_text(p_id, 'not_listed', v_now);
        return '{"outcome": "released"}';
    end if;
    update message_queue
    set message_data = jsonb_set(message_data, '{send,empty_at}', to_jsonb(coalesce(v_empty, v_now)))
    where id = p_id;
    return '{"outcome": "waiting"}';
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
