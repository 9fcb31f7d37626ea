-- commit_render: apply what the agent judged of a queued text, if nothing has happened meanwhile.
--
-- The text passes the gate again before it leaves, and is charged then.
--
-- arguments    p_token, p_id: of claim_renders
--              p_verdict {verdict: send | rewrite | supersede,
--                         texts: the new words, at most one for each part (rewrite),
--                         reason: at most 100 characters (supersede)}
--              p_calls, agent_actions_log rows, logged whatever the outcome; p_now
-- result       {outcome: applied, texts_due: members with a text due now}
--              {outcome: stale}    the member has written, or the text has gone or is another's to judge
--              {outcome: invalid, error}  the verdict itself is wrong
--              {outcome: retry}    a lock was not to be had in 2 s
-- locks        the member's users row
-- idempotency  the token is gone afterwards: a repeated call is stale, and the text leaves with the next tick
create or replace function commit_render(
    p_token uuid, p_id uuid, p_verdict jsonb, p_calls jsonb default '[]', p_now timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
set lock_timeout = '2s'
as $$
declare
    v_verdict text := p_verdict ->> 'verdict';
    v_texts text [] := array(
        select t.value from jsonb_array_elements_text(coalesce(p_verdict -> 'texts', '[]')) with ordinality as t (value, place)
        order by t.place
    );
    v_text message_queue%rowtype;
    v_parts uuid [];
    v_is_written boolean;
    v_now timestamptz;
begin
    perform log_calls(p_calls, p_now);
    select * into v_text from message_queue where id = p_id;
    perform lock_member(v_text.user_id);
    v_now := coalesce(p_now, clock_timestamp());
    select array_agg(q.id order by q.sequence_position, q.id), bool_and(q.final_message is not null)
    into v_parts, v_is_written
    from message_queue as q
    where
        q.user_id = v_text.user_id
        and q.status = 'queued'
        and q.delivered_message_id is null
        and coalesce(q.sequence_id, q.id) = coalesce(v_text.sequence_id, v_text.id)
        and as_object(q.message_data) #>> '{render,token}' = p_token::text;
    if p_id = any(v_parts) is not true then
        return '{"outcome": "stale"}';
    end if;

    if v_verdict = 'supersede' and btrim(p_verdict ->> 'reason') <> '' then
        perform drop_text(v_text, p_verdict ->> 'reason');
    elsif v_verdict = 'send' and v_is_written then
        null;
    elsif
        v_verdict = 'rewrite'
        and cardinality(v_texts) between 1 and cardinality(v_parts)
        and not exists (select 1 from unnest(v_texts) as t (words) where btrim(t.words) = '')
    then
        update message_queue
        set
            final_message = v_texts[array_position(v_parts, id)],
            sequence_total = case when sequence_id is not null then cardinality(v_texts) end
        where id = any(v_parts[1:cardinality(v_texts)]);
        -- What is not said any more is no part of it, else the gate would miss it.
        update message_queue
        set
            status = 'superseded',
            superseded_by_message_id = p_id,
            superseded_reason = 'said in fewer texts',
            sequence_id = null,
            sequence_position = null,
            sequence_total = null,
            message_data = message_data - 'hold' - 'render'
        where id = any(v_parts[cardinality(v_texts) + 1:]);
    else
        return jsonb_build_object('outcome', 'invalid', 'error', 'no such verdict about this text');
    end if;
    update message_queue
    set
        requires_fresh_context = false,
        message_data = message_data - 'render'
    where id = any(v_parts) and status = 'queued';
    return jsonb_build_object(
        'outcome', 'applied',
        'texts_due', coalesce((
            select jsonb_agg(distinct q.user_id)
            from message_queue as q
            where
                q.user_id = v_text.user_id
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
