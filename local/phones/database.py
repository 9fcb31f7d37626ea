"""What the page reads from the database: pipeline rows and member cards.

Every query is served by a documented index and bounded, so that watching costs the same over an
empty database and over one with millions of rows. Rows come out as JSON objects of one shape:

    {"id", "kind": event|call|queue|task, "title", "state", "phone", "at", "agent", "note",
     "detail", …figures of the kind}
"""

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

Json = dict[str, Any]

EVENTS = """
with recent as (
  (select * from events where not processed order by created_at desc limit 15)
  union all
  (select * from events where processed is null order by created_at desc limit 5)
  union all
  (select * from events where processed order by created_at desc limit 30)
)
select jsonb_build_object(
  'id', e.id, 'kind', 'event', 'title', e.event_type, 'at', e.created_at,
  'agent', e.created_by, 'phone', u.phone_number,
  'state', case
    when e.metadata ? 'dead' then 'dead'
    when e.processed then 'done'
    when e.metadata ? 'lease' then 'running'
    when e.metadata ? 'retry_at' then 'retry'
    else 'open' end,
  'note', coalesce(left(e.metadata #>> '{dead,error}', 200),
    case when e.processed is not true and not e.metadata ? 'lease'
      then e.metadata ->> 'retry_at' end),
  'attempt', e.metadata -> 'attempt',
  'brief', left(
    coalesce(e.payload ->> 'step', e.payload ->> 'status', e.payload ->> 'keyword'), 60),
  'detail', left(jsonb_pretty(e.payload), 1500))
from recent e
left join users u on e.aggregate_type = 'user' and u.id = e.aggregate_id
"""

TASKS = """
with recent as (
  (select * from agent_tasks where status = 'processing' order by scheduled_for desc limit 10)
  union all
  (select * from agent_tasks where status = 'pending' order by scheduled_for limit 15)
  union all
  (select * from agent_tasks where status = 'completed' order by scheduled_for desc limit 15)
  union all
  (select * from agent_tasks where status = 'failed' order by scheduled_for desc limit 10)
)
select jsonb_build_object(
  'id', t.id, 'kind', 'task', 'title', t.task_type, 'at', t.created_at, 'agent', t.agent_type,
  'phone', u.phone_number, 'state', t.status, 'due', t.scheduled_for,
  'note', left(t.error_log, 200), 'attempt', t.retry_count,
  'detail', left(jsonb_pretty(t.context_json), 1500))
from recent t
left join users u on u.id = t.user_id
"""

QUEUE = """
with recent as (
  (select * from message_queue where status = 'queued' order by scheduled_for limit 15)
  union all
  (select * from message_queue where status = 'sent' order by scheduled_for desc limit 20)
  union all
  (select * from message_queue where status = 'superseded' order by scheduled_for desc limit 5)
  union all
  (select * from message_queue where status = 'failed' order by scheduled_for desc limit 10)
)
select jsonb_build_object(
  'id', q.id, 'kind', 'queue', 'title', coalesce(q.message_data ->> 'kind', 'proactive'),
  'at', q.created_at, 'agent', q.agent_id, 'phone', u.phone_number,
  'state', case
    when q.status = 'queued' and q.delivered_message_id is not null then 'sending'
    when q.status = 'queued' and q.message_data ? 'hold' then 'held'
    else q.status end,
  'due', q.scheduled_for, 'text', left(q.final_message, 300),
  'note', coalesce(q.message_data #>> '{hold,rule}', q.superseded_reason,
                   q.message_data ->> 'error_code'),
  'position', q.sequence_position, 'total', q.sequence_total,
  'attempt', q.message_data -> 'attempts',
  'detail', left(jsonb_pretty(q.message_data), 1500))
from recent q
left join users u on u.id = q.user_id
"""

# agent_actions_log is indexed by (agent_type, created_at): the newest of each agent, then merged.
CALLS = """
with recent as (
  select newest.* from (values
    ('bouncer'), ('concierge'), ('innovator'), ('account_manager'), ('agent_of_humans'),
    ('solution_saga'), ('social_butterfly')) as agents (name)
  cross join lateral (
    select * from agent_actions_log l where l.agent_type = agents.name
    order by l.created_at desc limit 50) newest
  order by newest.created_at desc limit 50
)
select jsonb_build_object(
  'id', l.id, 'kind', 'call', 'title', coalesce(l.model_used, l.action_type),
  'at', l.created_at, 'agent', l.agent_type, 'phone', u.phone_number,
  'state', case when l.error is null then 'done' else 'failed' end,
  'action', l.action_type, 'tokens_in', l.input_tokens, 'tokens_out', l.output_tokens,
  'cost_usd', l.cost_usd, 'latency_ms', l.latency_ms, 'note', left(l.error, 200),
  'detail', left(jsonb_pretty(l.output_data), 1500))
from recent l
left join users u on u.id = l.user_id
"""

MEMBERS = """
select jsonb_build_object(
  'phone', u.phone_number, 'first_name', u.first_name, 'last_name', u.last_name,
  'company', u.company, 'title', u.title, 'email', u.email,
  'email_verified', coalesce(u.email_verified, false), 'verified', coalesce(u.verified, false),
  'referrer', u.referred_by is not null or u.name_dropped is not null,
  'agent', case when u.verified then coalesce(u.poc_agent_type, 'concierge') else 'bouncer' end,
  'credits', coalesce(u.credit_balance, 0), 'timezone', u.timezone,
  'steps', coalesce((
    select jsonb_agg(distinct e.payload ->> 'step') from events e
    where e.aggregate_id = u.id and e.aggregate_type = 'user'
      and e.event_type = 'user.onboarding_step.completed'), '[]'::jsonb),
  'onboarded', exists (
    select from events e where e.aggregate_id = u.id and e.aggregate_type = 'user'
      and e.event_type = 'user.onboarding_completed'),
  'opted_out', coalesce((
    select bool_and(c.status is distinct from 'active')
           and (array_agg(c.status order by c.created_at desc))[1] = 'archived'
    from conversations c where c.user_id = u.id), false))
from users u
where u.phone_number = any(%(phones)s)
limit 50
"""

# The same shape as the Twilio simulator's messages, for a stack that uses the real Twilio.
MESSAGES = """
with recent as (select * from messages order by created_at desc limit 50)
select jsonb_build_object(
  'sid', coalesce(m.twilio_message_sid, m.id::text), 'direction', m.direction,
  'from', case when m.direction = 'inbound' then u.phone_number else %(number)s end,
  'to', case when m.direction = 'inbound' then %(number)s else u.phone_number end,
  'body', m.content, 'status', m.status, 'error_code', null, 'auto', false,
  'media', '[]'::jsonb, 'date_created', m.created_at)
from recent m
join users u on u.id = m.user_id
order by m.created_at
"""


async def _objects(
    connection: AsyncConnection[Any], query: str, **parameters: object
) -> list[Json]:
    cursor = await connection.execute(query.encode(), parameters or None)
    return [row[0] for row in await cursor.fetchall()]


async def read_rows(connection: AsyncConnection[Any]) -> list[Json]:
    """The newest ≤ 50 events, LLM calls, queue rows and tasks, oldest first.

    Raises:
        psycopg.Error: the database is away, or not migrated yet.
    """
    rows = [
        row for query in (EVENTS, CALLS, QUEUE, TASKS) for row in await _objects(connection, query)
    ]
    return sorted(rows, key=lambda row: str(row["at"]))


async def read_members(connection: AsyncConnection[Any], phones: Sequence[str]) -> list[Json]:
    """The member cards of these numbers (E.164), ≤ 50.

    Raises:
        psycopg.Error: the database is away, or not migrated yet.
    """
    return await _objects(connection, MEMBERS, phones=list(phones))


async def read_messages(connection: AsyncConnection[Any], number: str) -> list[Json]:
    """The newest ≤ 50 texts of all members; `number` is the product's own.

    Raises:
        psycopg.Error: the database is away, or not migrated yet.
    """
    return await _objects(connection, MESSAGES, number=number)
