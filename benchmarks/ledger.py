"""What a movement of credits costs, by the size of the ledger: ``python -m benchmarks.ledger``.

One insert into credit_events per transaction, triggers and balances included, over psycopg and a
Unix socket, spread over many members and all on one; asking the view for one balance beside it. On
a PostgreSQL of its own that does not wait for the disk, so that what is compared is the work and
not the machine's storage. The hot member holds half of the ledger.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg

from tests.support.database import SHIPPED, Servers
from tests.support.ledger import balances, members, write

LEDGER_ROWS = (0, 100_000, 1_000_000)
MEMBERS = 1_000
SESSIONS = 4
ROUNDS = 3
MOVEMENTS_A_ROUND = 2_000
READINGS = 20

FILL = """
    insert into credit_events
    (user_id, event_type, amount, reference_type, reference_id, idempotency_key, processed)
    select
        case n %% 2 when 0 then (%(users)s::uuid[])[1]
            else (%(users)s::uuid[])[1 + n / 2 %% cardinality(%(users)s::uuid[])] end,
        'fill', 1, 'fill', gen_random_uuid(), gen_random_uuid(), true
    from generate_series(1, %(rows)s) as n
"""
LEVEL = """
    update users as u set credit_balance = b.balance
    from user_credit_balances as b where b.user_id = u.id
"""
LEVEL_INNOVATORS = """
    update innovators as i set credits_balance = u.credit_balance
    from users as u where u.id = i.user_id
"""


def measure() -> None:
    """Print one line per size of the ledger."""
    servers = Servers()
    try:
        server = servers.server(SHIPPED)
        _measure(server.url(server.create(servers.template(SHIPPED))))
    finally:
        servers.stop()


def _measure(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        users = members(connection, MEMBERS)
        print(f"\nledger: PostgreSQL {SHIPPED}, fsync off; ms at the median, movements a second")
        print(
            f"{'ledger rows':>12}{f'{MEMBERS} members':>17}{f'{SESSIONS} sessions':>17}"
            f"{'1 hot member':>17}{f'{SESSIONS} sessions':>17}{'a balance':>12}{'hot one':>9}"
        )
        for rows in LEDGER_ROWS:
            _fill(connection, users, rows)
            figures = [
                _movements(url, crowd, sessions)
                for crowd in (users, users[:1])
                for sessions in (1, SESSIONS)
            ]
            cells = "".join(f"{ms:8.2f} {rate:6.0f}/s" for ms, rate in figures)
            one, hot = _reading(connection, users[1]), _reading(connection, users[0])
            print(f"{rows:12,}{cells}{one:12.2f}{hot:9.2f}", flush=True)
        balances(connection, *users)


def _fill(connection: psycopg.Connection, users: list[str], rows: int) -> None:
    """Bring the ledger to `rows` rows, as if they had come one by one."""
    found = connection.execute("select count(*) from credit_events").fetchone()
    assert found is not None
    with connection.transaction():
        connection.execute("alter table credit_events disable trigger user")
        connection.execute(FILL, {"users": users, "rows": max(0, rows - found[0])})
        connection.execute("alter table credit_events enable trigger user")
        connection.execute(LEVEL)
        connection.execute(LEVEL_INNOVATORS)
    connection.execute("vacuum analyze")


def _movements(url: str, crowd: Sequence[str], sessions: int) -> tuple[float, float]:
    """The median duration in milliseconds, and how many a second all sessions together made."""
    durations: list[float] = []
    rates: list[float] = []
    for nth in range(ROUNDS):
        start = threading.Barrier(sessions)

        def work(seed: int, start: threading.Barrier = start) -> tuple[list[float], float, float]:
            draw = random.Random(seed)
            taken: list[float] = []
            with psycopg.connect(url, autocommit=True) as own:
                own.execute("select from user_credit_balances limit 1")
                start.wait()
                began = time.perf_counter()
                for _ in range(MOVEMENTS_A_ROUND // sessions):
                    user, key = draw.choice(crowd), str(uuid4())
                    before = time.perf_counter()
                    write(own, user, draw.randint(1, 20), key)
                    taken.append(time.perf_counter() - before)
                return taken, began, time.perf_counter()

        with ThreadPoolExecutor(sessions) as pool:
            found = list(pool.map(work, range(nth * sessions, (nth + 1) * sessions)))
        durations += [one for taken, _, _ in found for one in taken]
        spent = max(end for _, _, end in found) - min(began for _, began, _ in found)
        rates.append(sum(len(taken) for taken, _, _ in found) / spent)
    return statistics.median(durations) * 1000, statistics.median(rates)


def _reading(connection: psycopg.Connection, user: str) -> float:
    """The median time of asking the view for one member's balance, in milliseconds."""
    taken: list[float] = []
    for _ in range(READINGS):
        before = time.perf_counter()
        connection.execute("select balance from user_credit_balances where user_id = %s", (user,))
        taken.append(time.perf_counter() - before)
    return statistics.median(taken) * 1000


if __name__ == "__main__":
    measure()
