-- claim_stuck_sends: texts whose hand-over to Twilio had no known end, for reconciliation.
--
-- A text in flight for two minutes was left by a crash, a timeout or a lost answer. It gets a fresh
-- token, so that whoever held it can no longer release it, and is looked up at Twilio; never sent
-- again blindly (protocol.md, 23).
--
-- arguments    p_token, made by the caller; p_limit ≤ 200; p_now
-- result       {outcome: claimed, sends [{id, user_id, to, body, claimed_at}]}
-- locks        the queue rows, skipping locked ones
-- idempotency  a text is handed out at most once in 60 s
create or replace function claim_stuck_sends(
    p_token uuid, p_limit integer default 50, p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_sends jsonb;
    v_now timestamptz := coalesce(p_now, clock_timestamp());
begin
    with stuck as (
        select q.id
        from message_queue as q
        where
            (q.status = 'queued' and q.delivered_message_id is not null) is true
            -- Somebody else's row may carry no time; left alone it would hold its member back for ever.
            and coalesce(q.sent_at, '-infinity') <= v_now - interval '2 min'
            and coalesce(
                as_time(as_object(q.message_data) #>> '{send,looked_at}') <= v_now - interval '60 s', true
            )
        order by q.sent_at
        limit least(p_limit, 200)
        for update skip locked
    ),

    claimed as (
        update message_queue as q
        set
            message_data = as_object(q.message_data) || jsonb_build_object(
                'send', as_object(q.message_data -> 'send')
                || jsonb_build_object('token', p_token, 'looked_at', v_now)
            )
        from stuck
        where q.id = stuck.id
        returning q.id, q.user_id, q.final_message, q.sent_at
    )

    select jsonb_agg(
        jsonb_build_object(
            'id', c.id, 'user_id', c.user_id, 'to', u.phone_number, 'body', c.final_message,
            'claimed_at', coalesce(c.sent_at, v_now - interval '1 day')
        )
    )
    into v_sends
    from claimed as c
    inner join users as u on u.id = c.user_id;
    return jsonb_build_object('outcome', 'claimed', 'token', p_token, 'sends', coalesce(v_sends, '[]'));
end;
$$;
