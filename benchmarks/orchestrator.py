"""Due texts through message_orchestrator, by what else is queued: `measure(stack)`.

1,000 texts of 500 members are due each time; the other rows, of 5,000 members, wait for their time
or are held. One process, then four at once, as deployed, to the simulated Twilio, which answers in
a few milliseconds and sends no receipts: what is measured is ours. The claim is that of a batch of
20, rolled back. There should be no difference between few and many queued rows.
"""

import statistics
import time
from uuid import uuid4

import psycopg
from psycopg.rows import DictRow

from tests.support.orchestrators import orchestrators, pause_schedules, run_together
from tests.support.stack import StackUnderTest
from tests.support.texting import control_twilio

QUEUED = (1_000, 10_000, 100_000, 1_000_000)
AT_ONCE = (1, 4)
MEMBERS = 5_000
DUE = 1_000
DUE_MEMBERS = 500
CLAIMS = 30

_MEMBERS = """
    with u as (
        insert into users (phone_number, timezone)
        select '+1646' || (5550000 + n), 'America/New_York' from generate_series(1, %s) as n
        returning id, phone_number
    )
    insert into conversations (user_id, phone_number, status)
    select id, phone_number, 'active' from u
"""
#: Every other row is held; every tenth is a part of a sequence.
_WAITING = """
    insert into message_queue
    (user_id, agent_id, message_data, final_message, scheduled_for, priority,
        sequence_id, sequence_position, sequence_total)
    select u.id, 'concierge',
        case when n %% 2 = 0 then '{}'
            else '{"hold": {"rule": "quiet_hours", "until": "2999-01-01T00:00:00Z"}}' end::jsonb,
        'x', now() + interval '7 days' + n * interval '1 ms',
        (array['low', 'medium', 'high', null])[1 + n %% 4],
        case when n %% 10 = 0 then gen_random_uuid() end,
        case when n %% 10 = 0 then 1 end,
        case when n %% 10 = 0 then 1 end
    from generate_series(1, %s) as n
    inner join (select id, row_number() over () as nth from users) as u on u.nth = 1 + n %% %s
"""
_DUE = """
    insert into message_queue
    (user_id, agent_id, message_data, final_message, scheduled_for, priority)
    select u.id, 'concierge', '{"kind": "system"}', 'x', now() - interval '1 s',
        (array['low', 'medium', 'high'])[1 + n %% 3]
    from generate_series(1, %s) as n
    inner join (select id, row_number() over () as nth from users) as u on u.nth = 1 + n %% %s
"""


def measure(stack: StackUnderTest) -> None:
    """Print one line for each number of queued rows."""
    pause_schedules(stack)
    control_twilio(stack, callbacks={"drop": 1.0})
    with orchestrators(stack, max(AT_ONCE)) as urls, stack.connect() as connection:
        connection.execute(_MEMBERS, (MEMBERS,))
        columns = "".join(f"{f'texts/s by {count}':>16}" for count in AT_ONCE)
        print(f"\n{'queued rows':>12}{columns}{'claim of 20':>16}   (message_orchestrator)")
        have = 0
        for queued in QUEUED:
            connection.execute(_WAITING, (queued - have, MEMBERS))
            have = queued
            rates = "".join(f"{_rate(connection, urls[:count]):16.0f}" for count in AT_ONCE)
            print(f"{queued:12,}{rates}{_claim_ms(connection):13.1f} ms", flush=True)


def _rate(connection: psycopg.Connection[DictRow], urls: list[str]) -> float:
    connection.execute(_DUE, (DUE, DUE_MEMBERS))
    started = time.perf_counter()
    claimed = run_together(urls)
    assert claimed == DUE
    return DUE / (time.perf_counter() - started)


def _claim_ms(connection: psycopg.Connection[DictRow]) -> float:
    """The median of a batch's claim."""
    taken = []
    with connection.transaction(force_rollback=True):
        connection.execute(_DUE, (DUE, DUE_MEMBERS))
        for _ in range(CLAIMS):
            with connection.transaction(force_rollback=True):
                started = time.perf_counter()
                connection.execute("select claim_texts(%s)", (uuid4(),))
                taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)
