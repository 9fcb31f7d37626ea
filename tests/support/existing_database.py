"""A database that was there before us: as documented, with triggers and rows nobody expects.

Every table gets a row with null in every nullable column and a row with JSON null, an undocumented
status and the like in them; then come rows that break what we would like to constrain, and open
work with damaged state.
"""

from __future__ import annotations

from uuid import UUID, uuid5

import psycopg
from psycopg import sql

from tests.support.schema_document import Column, Relation, ddl, relations

TABLES = [relation for relation in relations() if not relation.is_view]
NAMESPACE = UUID("00000000-0000-0000-0000-0000000000ff")

#: A trigger on the events and a materialized view, refreshed by trigger, as others build them.
OLD_WAYS = """
create or replace function notify_event() returns trigger language plpgsql as $$
begin perform pg_notify('events', left(row_to_json(new)::text, 7000)); return new; end $$;
create trigger events_notify after insert or update on events
for each row execute function notify_event();

create materialized view user_credit_balances as
select user_id, sum(amount) as balance, count(*) as transaction_count,
    max(created_at) as last_transaction_at from credit_events group by user_id;
create or replace function update_user_credit_cache() returns trigger language plpgsql as $$
begin
    update users set credit_balance =
        (select sum(amount) from credit_events where user_id = new.user_id)
    where id = new.user_id;
    return new;
end $$;
create trigger credit_cache before insert on credit_events
for each row execute function update_user_credit_cache();
create or replace function refresh_balances() returns trigger language plpgsql as $$
begin refresh materialized view user_credit_balances; return null; end $$;
create trigger refresh_balances after insert on credit_events
for each statement execute function refresh_balances();
create function say_hello() returns text language sql as $$ select 'hello' $$;
grant all on all tables in schema public to public;
"""

#: Members: -1 has null everywhere, -2 odd values; the others are spelt out here.
MEMBERS = """
insert into users (id, phone_number, verified, first_name, last_name, timezone, credit_balance,
    quiet_hours_start, quiet_hours_end, poc_agent_type, expertise)
values
('00000000-0000-0000-0000-000000000001', '+12125550001', true, 'Ada',
    (select string_agg(md5(n::text), '') from generate_series(1, 500) as n), 'Mars/Olympus', 7,
    '09:00', null, 'nobody', '{}'),
('00000000-0000-0000-0000-000000000002', '+12125550002', null, null, 'Byron', '', null,
    null, '09:00', null, null),
('00000000-0000-0000-0000-000000000003', '+12125550003', false, '', '', 'UTC', 0,
    '24:00', '00:00', 'concierge', '{null}'),
('00000000-0000-0000-0000-000000000004', '+12125550004', true, 'Same', 'Name', null, 2147483600,
    null, null, null, null);
insert into conversations (id, user_id, phone_number, status, messages_since_summary, created_at)
values
('00000000-0000-0000-0000-00000000000a',
    '00000000-0000-0000-0000-000000000001', '+1', 'active', null, null),
('00000000-0000-0000-0000-00000000000b',
    '00000000-0000-0000-0000-000000000001', '+1', 'active', 0, now()),
('00000000-0000-0000-0000-00000000000c',
    '00000000-0000-0000-0000-000000000002', '+1', 'paused', 0, now()),
('00000000-0000-0000-0000-00000000000d',
    '00000000-0000-0000-0000-000000000003', '+1', 'archived', 0, null);
insert into messages
(conversation_id, user_id, role, content, direction, twilio_message_sid, status, created_at)
select '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-000000000001',
    'user', 'text', 'inbound', 'SMtwice', null, null from generate_series(1, 3);
insert into credit_events
(user_id, event_type, amount, reference_type, reference_id, idempotency_key)
values ('00000000-0000-0000-0000-000000000001', 'a', 50, 'a', gen_random_uuid(), 'k');
-- The old trigger ran; now the cache disagrees.
update users set credit_balance = 7 where id = '00000000-0000-0000-0000-000000000001';
insert into innovators (user_id, company_name, credits_balance)
values ('00000000-0000-0000-0000-000000000001', 'x', null);
insert into community_requests (id, requesting_agent_type, question)
values ('00000000-0000-0000-0000-0000000000e0', 'concierge', 'q');
insert into community_responses (request_id, user_id, response_text, verbatim_answer)
select '00000000-0000-0000-0000-0000000000e0', '00000000-0000-0000-0000-000000000001', 'a', 'a'
from generate_series(1, 2);
insert into events (event_type, payload)
select 'user.email_verified', '{"token_id": "t1"}' from generate_series(1, 2);
"""

#: Open events of each member, with every kind of damaged payload and state.
EVENTS = """
insert into events (id, event_type, aggregate_id, aggregate_type, payload, metadata, processed,
    created_at)
select gen_random_uuid(), t.event_type, u.id, 'user', p.payload, m.metadata,
    case when m.metadata is null then null else false end,
    case when m.metadata is null then null else now() - interval '1 h' end
from users as u
cross join (values ('user.message.received'), ('something.else')) as t (event_type)
cross join (values
    ('null'::jsonb), ('"text"'), ('{"message_id": 5}')
) as p (payload)
cross join (values
    (null::jsonb), ('null'), ('"text"'), ('[1]'), ('{"lease": "x", "attempt": "many"}'),
    ('{"lease": {"token": 1, "until": "soon"}, "attempt": null, "retry_at": [1]}'),
    ('{"attempt": 1.5, "published": "often", "published_at": "x", "done": 1, "dependency": 1}'),
    ('{"attempt": 99999999999, "published": -5, "retry_at": "", "dependency": {"count": "x"}}')
) as m (metadata);
"""

#: Texts waiting for each member, the same way; the last are in flight, as somebody else left them.
TEXTS = """
insert into message_queue (user_id, agent_id, message_data, final_message, scheduled_for, priority,
    status, sequence_id, sequence_position, sequence_total, created_at, requires_fresh_context,
    sent_at)
select u.id, 'a', d.data, 'a text', now() - interval '1 h', p.priority, 'queued', s.id, s.place,
    s.total, case when p.priority is null then null else now() end, null,
    case when p.priority is null then now() - interval '10 min' end
from users as u
cross join (values (null), ('urgent'), ('high')) as p (priority)
cross join (values
    ('null'::jsonb), ('"text"'), ('[]'), ('{"kind": 5, "topic": {"a": 1}, "hold": "x"}'),
    ('{"kind": "reply", "attempts": "x", "send": 1, "counted": true, "charged_on": "never"}'),
    ('{"kind": "system", "attempts": null, "hold": {"due": "x"}, "first_released_at": "x"}'),
    ('{"topic": "t", "counted": "true", "attempts": 1e99}')
) as d (data)
cross join (values
    (null::uuid, null::integer, null::integer),
    (gen_random_uuid(), null, 5), (gen_random_uuid(), 2, null), (gen_random_uuid(), -1, 0)
) as s (id, place, total);
insert into message_queue (user_id, agent_id, message_data, final_message, scheduled_for, status,
    sent_at, delivered_message_id)
select '00000000-0000-0000-0000-000000000004', 'a', d.data, 'a text', now(), 'queued', s.at,
    (select m.id from messages as m where m.twilio_message_sid = 'SMtwice' limit 1)
from (values ('null'::jsonb), ('{"send": 1, "counted": "true", "charged_on": "x"}')) as d (data)
cross join (values (null::timestamptz), (now() - interval '1 h')) as s (at);
insert into user_message_budget (user_id, date, messages_sent, last_message_at, daily_limit,
    hourly_limit, quiet_hours_enabled, created_at)
select id, current_date - 1, null, null, null, null, null, null from users
where phone_number like '+1212555%';
"""

#: A task that runs for each member, claimed by a worker that kept its state elsewhere.
TASKS = """
insert into agent_tasks (task_type, agent_type, user_id, scheduled_for, context_json, status,
    result_json, retry_count)
select 'a', 'a', u.id, now(), 'null', s.status, r.result, null
from users as u
cross join (values ('processing'), ('stuck'), (null)) as s (status)
cross join (values
    (null::jsonb), ('null'), ('"text"'), ('{"claim": 1}'), ('{"claim": {"until": "x"}}')
) as r (result);
"""


def build(url: str) -> None:
    """Make it in an empty database."""
    with psycopg.connect(url) as connection:
        for statement in [*ddl(), OLD_WAYS]:
            connection.execute(statement.encode())
        for relation in _by_reference(TABLES):
            for number in (1, 2):
                _insert(connection, relation, number)
        for rows in (MEMBERS, EVENTS, TEXTS, TASKS):
            connection.execute(rows.encode())


def _by_reference(tables: list[Relation]) -> list[Relation]:
    """Referred tables first."""
    ordered: list[Relation] = []
    left = list(tables)
    while left:
        placed = {relation.name for relation in ordered}
        ready = [
            relation
            for relation in left
            if {c.refers_to for c in relation.columns} <= placed | {None, relation.name}
        ]
        ordered += ready
        left = [relation for relation in left if relation not in ready]
    return ordered


def _insert(connection: psycopg.Connection, relation: Relation, number: int) -> None:
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(relation.name),
            sql.SQL(", ").join(sql.Identifier(column.name) for column in relation.columns),
            sql.SQL(", ").join(sql.Placeholder() * len(relation.columns)),
        ),
        [_value(relation.name, column, number) for column in relation.columns],
    )


def _value(table: str, column: Column, number: int) -> str | None:
    """Null where the first row may, something odd where the second may."""
    if column.name == "id":
        return str(uuid5(NAMESPACE, f"{table} {number}"))
    if column.refers_to and not (column.nullable and number == 1):
        return str(uuid5(NAMESPACE, f"{column.refers_to} {number}"))
    if column.nullable and number == 1:
        return None
    return {
        "uuid": str(uuid5(NAMESPACE, f"{table}.{column.name} {number}")),
        "jsonb": "null",
        "boolean": "true",
        "integer": "-1",
        "bigint": "-1",
        "numeric": "NaN",
        "date": "infinity",
        "timestamp with time zone": "infinity" if number == 1 else "-infinity",
        "time without time zone": "24:00",
        "text[]": "{NULL,''}",
        "uuid[]": "{NULL}",
    }.get(column.type, f"odd {number}")
