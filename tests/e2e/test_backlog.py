"""A new text does not stand behind what others have left: dead letters, retries, a backlog."""

from tests.support.stack import StackUnderTest
from tests.support.texting import Phone

DEAD = """
    insert into events (event_type, aggregate_id, aggregate_type, payload, metadata, processed,
        created_at)
    select 'nobody.knows_this', gen_random_uuid(), 'user', '{}',
        '{"dead": {"error": "unknown type", "at": "2026-01-01T00:00:00Z"}}', true,
        now() - interval '1 day'
    from generate_series(1, %s)
"""
OPEN = """
    insert into events (event_type, aggregate_id, aggregate_type, payload, metadata, created_at)
    select 'user.opted_in', gen_random_uuid(), 'backlog', '{"keyword": "START"}', %s,
        now() - interval '1 hour'
    from generate_series(1, %s)
"""


def fill(stack: StackUnderTest, query: str, *arguments: object) -> None:
    """Rows for which nobody is woken."""
    with stack.connect() as connection, connection.transaction():
        connection.execute("set local session_replication_role = replica")
        connection.execute(query.encode(), arguments)


def open_rows(phone: Phone) -> int:
    (found,) = phone.rows(
        "select count(*) as n from events where aggregate_type = 'backlog'"
        " and processed is not true"
    )
    return int(found["n"])


def clear(phone: Phone) -> None:
    phone.rows("delete from events where aggregate_type = 'backlog' returning id")


def test_a_thousand_dead_letters_and_ten_thousand_waiting_events_stand_in_no_text_s_way(
    stack: StackUnderTest,
) -> None:
    fill(stack, DEAD, 1_000)
    fill(stack, OPEN, '{"retry_at": "2999-01-01T00:00:00Z", "attempt": 1}', 10_000)
    phone = Phone(stack)
    try:
        phone.converse("hello", "are you there?")
        stack.run_schedule("event_sweeper")
        phone.converse("and now?")
        assert open_rows(phone) == 10_000
    finally:
        clear(phone)


def test_a_text_is_answered_long_before_a_backlog_of_due_events_is_worked_off(
    stack: StackUnderTest,
) -> None:
    phone = Phone(stack)
    fill(stack, OPEN, "{}", 5_000)
    try:
        stack.run_schedule("event_sweeper")
        for count, body in enumerate(("hello", "are you there?"), start=1):
            phone.text(body)
            # On a slow machine the backlog takes longer, too.
            phone.wait_for_texts(count, 60)
        assert open_rows(phone) > 1_000
    finally:
        clear(phone)
