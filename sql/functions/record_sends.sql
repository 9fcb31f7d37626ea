-- record_sends: what became of claimed texts at Twilio.
--
-- arguments    p_token, the claim's
--              p_results, array of {id, user_id, outcome, …}:
--                accepted  {sid, status, segments, cost_usd, receipt_key}; needs no token
--                refused   {code, event_id}: final; 21610 also opts the member out
--                released  {code}: surely not taken, to be sent again
--                ambiguous {code, segments, cost_usd}: perhaps taken; in flight until the sweeper has looked
--              p_now
-- result       {outcome: applied, settled: count, texts_due: members who have another text due now}
-- locks        the members' users rows, sorted
-- idempotency  by state and token
create or replace function record_sends(p_token uuid, p_results jsonb, p_now timestamptz default null)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_result jsonb;
    v_id uuid;
    v_user_id uuid;
    v_held boolean;
    v_members uuid [];
    v_receipt record;
    v_settled integer := 0;
    v_now timestamptz;
begin
    v_members := array(
        select distinct (r.value ->> 'user_id')::uuid from jsonb_array_elements(p_results) as r order by 1
    );
    foreach v_user_id in array v_members loop
        perform lock_member(v_user_id);
    end loop;
    v_now := coalesce(p_now, clock_timestamp());
    for v_result in
        select r.value from jsonb_array_elements(p_results) as r
    loop
        v_id := v_result ->> 'id';
        v_user_id := v_result ->> 'user_id';
        select
            q.status = 'queued'
            and q.delivered_message_id is not null
            and as_object(q.message_data) #>> '{send,token}' = p_token::text
        into v_held
        from message_queue as q
        where q.id = v_id;
        if v_result ->> 'outcome' = 'accepted' then
            if accept_text(v_id, v_result ->> 'sid', v_result ->> 'status', v_result - array['id', 'user_id', 'outcome', 'sid', 'status', 'receipt_key'], v_now) then
                v_settled := v_settled + 1;
                for v_receipt in
                    select e.payload ->> 'status' as status, e.payload ->> 'error_code' as error_code
                    from events as e
                    where e.aggregate_id = (v_result ->> 'receipt_key')::uuid and e.aggregate_type = 'receipt'
                    order by status_rank(e.payload ->> 'status'), e.created_at
                loop
                    perform move_status(v_id, v_receipt.status, v_receipt.error_code, v_now);
                end loop;
            end if;
        elsif v_held and v_result ->> 'outcome' = 'refused' then
            update messages set status = 'failed' where id = v_id and twilio_message_sid is null;
            perform fail_text(v_id, v_result ->> 'code');
            if v_result ->> 'code' = '21610' then
                perform opt_out(v_user_id, '21610', (v_result ->> 'event_id')::uuid, false, 'message_orchestrator', v_now);
            end if;
            v_settled := v_settled + 1;
        elsif v_held and v_result ->> 'outcome' = 'released' then
            perform release_text(v_id, v_result ->> 'code', v_now);
            v_settled := v_settled + 1;
        elsif v_result ->> 'outcome' = 'ambiguous' then
            -- A callback may have proved acceptance meanwhile; what the text costs it did not say.
            update message_queue
            set
                message_data = jsonb_strip_nulls(
                    jsonb_build_object('segments', v_result -> 'segments', 'cost_usd', v_result -> 'cost_usd')
                ) || case
                    when v_held
                        then jsonb_set(message_data, '{send,error}', to_jsonb(coalesce(v_result ->> 'code', 'unknown')))
                    else as_object(message_data)
                end
            where id = v_id and (v_held or status = 'sent');
        end if;
    end loop;
    return jsonb_build_object(
        'outcome', 'applied',
        'settled', v_settled,
        'texts_due', coalesce((
            select jsonb_agg(distinct q.user_id)
            from message_queue as q
            where
                q.user_id = any(v_members)
                and q.status = 'queued'
                and q.delivered_message_id is null
                and q.scheduled_for <= v_now
        ), '[]')
    );
exception
    when lock_not_available or deadlock_detected then
        return '{"outcome": "retry"}';
end;
$$;
