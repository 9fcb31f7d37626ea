"""Queues of any length, as production may come to hold them: what waits, what is over, what is due.

Filled by statements of their own, without waking anybody.
"""

import psycopg

#: What waits and what is over belongs to so many members, evenly; to fewer in a short queue.
MEMBERS = 5_000

_MEMBERS = """
with u as (
    insert into users (phone_number, timezone)
    select '+1212' || (5500000 + n), 'America/New_York' from generate_series(1, %(members)s) as n
    returning id, phone_number
)
insert into conversations (user_id, phone_number, status) select id, phone_number, 'active' from u
"""
_EVENTS = """
insert into events
(event_type, aggregate_id, aggregate_type, payload, metadata, processed, created_at)
select 'user.message.received', u.id, 'user', '{}', %(metadata)s, %(processed)s,
    now() - interval '3 h' - n * interval '1 ms'
from generate_series(1, %(rows)s) as n
inner join (select id, row_number() over (order by id) as nth from users) as u
    on u.nth = 1 + n %% (select count(*) from users)
"""
_TEXTS = """
insert into message_queue
(user_id, agent_id, message_data, final_message, requires_fresh_context, scheduled_for, status,
    priority, created_at)
select u.id, 'concierge', %(data)s, 'x', %(afresh)s,
    now() + %(due)s::interval + n * interval '1 ms', %(status)s,
    (array['low', 'medium', 'high', null])[1 + n %% 4], now() - interval '3 h'
from generate_series(1, %(rows)s) as n
inner join (select id, row_number() over (order by id) as nth from users) as u
    on u.nth = 1 + n %% (select count(*) from users)
"""
_TASKS = """
insert into agent_tasks
(task_type, agent_type, user_id, scheduled_for, context_json, priority, status)
select 'none.such', 'test', u.id, now() + %(due)s::interval + n * interval '1 ms', '{}',
    (array['low', 'medium', 'high', null])[1 + n %% 4], %(status)s
from generate_series(1, %(rows)s) as n
inner join (select id, row_number() over (order by id) as nth from users) as u
    on u.nth = 1 + n %% (select count(*) from users)
"""
_HELD = '{"hold": {"rule": "quiet_hours", "until": "2999-01-01T00:00:00Z"}}'
_WAITS = '{"retry_at": "2999-01-01T00:00:00Z", "attempt": 1}'
_DEAD = '{"dead": {"error": "x", "at": "2026-01-01T00:00:00Z"}, "attempt": 5}'
_DONE = '{"done": {"token": "x", "result": null}}'


def fill(connection: psycopg.Connection, rows: int) -> None:
    """In each queue `rows` rows that wait for their time, and as many that are over."""
    with connection.transaction():
        connection.execute("set local session_replication_role = replica")
        connection.execute(_MEMBERS, {"members": min(MEMBERS, rows)})
        for metadata, processed in ((_WAITS, False), (_DEAD, True), (_DONE, True)):
            connection.execute(
                _EVENTS, {"rows": rows, "metadata": metadata, "processed": processed}
            )
        for status, due, data, afresh in (
            ("queued", "7 days", "{}", False),
            ("queued", "8 days", _HELD, False),
            ("queued", "9 days", "{}", True),
            ("sent", "-1 day", "{}", False),
        ):
            connection.execute(
                _TEXTS,
                {"rows": rows, "status": status, "due": due, "data": data, "afresh": afresh},
            )
        for status, due in (("pending", "7 days"), ("completed", "-1 day"), ("failed", "-1 day")):
            connection.execute(_TASKS, {"rows": rows, "status": status, "due": due})
