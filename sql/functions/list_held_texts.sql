-- list_held_texts: queued texts that do not simply wait for their time, and why, a page at a time.
--
-- For operators (lib/console). States of a text, the first that is true:
--   in_flight  handed to Twilio, whose answer is not known yet; why: what went wrong, if something did
--   fresh      to be judged again or rendered first; why: judging | fresh_context | not_rendered
--   held       by a rule until then; why: the rule
--   again      could not be sent, to be tried again then; why: the code
--   stuck      has not left although nothing keeps it; why: overdue | never (its time is none)
-- What has been in flight, to be judged or due for 5 minutes is stuck too: something does not work.
--
-- Each call looks at 20,000 queued rows at most, in the order of their times, and says where the next one
-- goes on. So it takes the same time however many there are.
--
-- arguments    p_user_id, p_state, of one member or state only
--              p_after, p_after_id: `next` of the page before; p_limit ≤ 200; p_now
-- result       {outcome: listed, texts [{id, user_id, state, why, until, local, zone, due, kind, topic,
--               priority}], next: {due_at, id} | null}; local is `until` in the member's zone, without it;
--               a page may be empty and still have a next one
-- locks        none
create or replace function list_held_texts(
    p_user_id uuid default null,
    p_state text default null,
    p_after timestamptz default '-infinity',
    p_after_id uuid default '00000000-0000-0000-0000-000000000000',
    p_limit integer default 50,
    p_now timestamptz default null
)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    c_looked_at_most constant integer := 20000;
    c_patience constant interval := '5 min';
    v_limit integer := least(greatest(coalesce(p_limit, 50), 1), 200);
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_texts jsonb;
    v_next jsonb;
begin
    with looked as materialized (
        select
            q.id,
            q.scheduled_for,
            case
                when q.delivered_message_id is not null
                    then case when q.sent_at > v_now - c_patience then 'in_flight' else 'stuck' end
                when d.is_held then 'held'
                when q.final_message is null or q.requires_fresh_context
                    then case
                        when q.scheduled_for > v_now - c_patience or d.judged_until is not null then 'fresh'
                        else 'stuck'
                    end
                when q.scheduled_for <= v_now - c_patience or not isfinite(q.scheduled_for) then 'stuck'
                when q.scheduled_for > v_now and d.data ? 'error_code' then 'again'
            end as state,
            case
                when q.delivered_message_id is not null then coalesce(d.data #>> '{send,error}', 'in_flight')
                when d.is_held then d.data #>> '{hold,rule}'
                when d.judged_until is not null then 'judging'
                when q.final_message is null then 'not_rendered'
                when q.requires_fresh_context then 'fresh_context'
                when not isfinite(q.scheduled_for) then 'never'
                when q.scheduled_for <= v_now then 'overdue'
                else d.data ->> 'error_code'
            end as why,
            case
                when q.delivered_message_id is not null then null
                when d.judged_until is not null then d.judged_until
                when q.scheduled_for > v_now then q.scheduled_for
            end as until
        from message_queue as q
        cross join lateral (
            select
                as_object(q.message_data) as data,
                -- One that is over may stand there until the text has left.
                q.scheduled_for > v_now
                and jsonb_typeof(as_object(q.message_data) -> 'hold') = 'object'
                and coalesce(as_time(as_object(q.message_data) #>> '{hold,until}') > v_now, true) as is_held,
                case
                    when lease_runs(as_object(q.message_data) #>> '{render,until}', v_now)
                        then as_time(as_object(q.message_data) #>> '{render,until}')
                end as judged_until
        ) as d
        where
            q.status = 'queued'
            and q.scheduled_for >= p_after
            and (q.scheduled_for, q.id) > (p_after, p_after_id)
            and (p_user_id is null or q.user_id = p_user_id)
        order by q.scheduled_for, q.id
        limit c_looked_at_most
    ),

    page as (
        select l.*, row_number() over (order by l.scheduled_for, l.id) as place
        from looked as l
        where l.state = coalesce(p_state, l.state)
        order by place
        limit v_limit + 1
    ),

    texts as (
        select
            p.place,
            p.id,
            q.user_id,
            p.state,
            p.why,
            -- A time that no calendar has is none.
            case when u.is_ordinary then p.until end as until,
            case when u.is_ordinary then to_char(p.until at time zone m.zone, 'YYYY-MM-DD HH24:MI') end as local,
            m.zone,
            case when u.due between '0002-01-01' and '9998-12-31' then u.due end as due,
            case when u.kind in ('reply', 'system') then u.kind else 'proactive' end as kind,
            as_object(q.message_data) ->> 'topic' as topic,
            case when q.priority in ('high', 'low') then q.priority else 'medium' end as priority
        from page as p
        inner join message_queue as q on q.id = p.id
        left join users as o on o.id = q.user_id
        cross join lateral (select member_zone(o.timezone, o.phone_number) as zone) as m
        cross join lateral (
            select
                p.until between '0002-01-01' and '9998-12-31' as is_ordinary,
                coalesce(as_time(as_object(q.message_data) #>> '{hold,due}'), q.scheduled_for) as due,
                as_object(q.message_data) ->> 'kind' as kind
        ) as u
        where p.place <= v_limit
    )

    select
        (select jsonb_agg(to_jsonb(t) - 'place' order by t.place) from texts as t),
        case
            when exists (select 1 from page as p where p.place > v_limit)
                then (
                    select jsonb_build_object('due_at', p.scheduled_for, 'id', p.id)
                    from page as p
                    where p.place = v_limit
                )
            when (select count(*) from looked) = c_looked_at_most
                then (
                    select jsonb_build_object('due_at', l.scheduled_for, 'id', l.id)
                    from looked as l
                    order by l.scheduled_for desc, l.id desc
                    limit 1
                )
        end
    into v_texts, v_next;
    return jsonb_build_object('outcome', 'listed', 'texts', coalesce(v_texts, '[]'), 'next', v_next);
end;
$$;
