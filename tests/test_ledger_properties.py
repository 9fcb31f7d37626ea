"""Any concurrent history of credits leaves a ledger that adds up, at every prefix of it.

Members are few and keys collide on purpose. A transaction reads its member's balances after each of
its movements, while it holds the member's lock: these readings are every prefix of the member's
history. Another session compares what is committed, all the time.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

import psycopg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import errors
from psycopg.types.json import Jsonb

from tests.support.ledger import balances, members, write

SESSIONS = 4
MEMBERS = 3
OVERDRAFT = "YP003"
OTHER_MOVEMENT = ("23505", "YP001")


@dataclass(frozen=True)
class Movement:
    """Something that somebody tries to write; equal ones are the same movement."""

    member: int
    amount: int
    key: int


@dataclass(frozen=True)
class Transaction:
    """Movements written together in one of the ways there are; some think better of it."""

    movements: tuple[Movement, ...]
    way: str
    gives_up: bool


movements = st.builds(
    Movement,
    member=st.integers(0, MEMBERS - 1),
    amount=st.sampled_from([-30, -10, -1, 10, 20, 40]),
    key=st.integers(0, 15),
)
transactions = st.builds(
    Transaction,
    # Members in order, as a commit locks them.
    movements=st.lists(movements, min_size=1, max_size=3).map(
        lambda found: tuple(sorted(found, key=lambda m: m.member))
    ),
    way=st.sampled_from(["plain", "on conflict do nothing", "unit of work"]),
    gives_up=st.integers(0, 9).map(lambda n: n == 0),
)
histories = st.lists(st.lists(transactions, max_size=10), min_size=SESSIONS, max_size=SESSIONS)


class Ledger:
    """The members of one example, and what was written for them."""

    def __init__(self, url: str) -> None:
        self._name = uuid4().hex
        self._url = url
        with psycopg.connect(url) as connection:
            self.members = members(connection, MEMBERS)

    def run(self, history: list[Transaction]) -> list[tuple[Movement, str]]:
        """Run a session's transactions; what became of the movements.

        Of those that committed: *written*, *there*, or *there or lost*; *refused* is one whose key
        belonged to another.
        """
        became: list[tuple[Movement, str]] = []
        with psycopg.connect(self._url, autocommit=True) as connection:
            for transaction in history:
                became += self._run(connection, transaction)
        return became

    def _run(
        self, connection: psycopg.Connection, transaction: Transaction
    ) -> list[tuple[Movement, str]]:
        became: list[tuple[Movement, str]] = []
        movement = transaction.movements[0]
        try:
            with connection.transaction():
                for movement in transaction.movements:
                    became.append((movement, self._write(connection, movement, transaction.way)))
                    (balance,) = balances(connection, self.members[movement.member])
                    assert balance >= 0
                if transaction.gives_up:
                    raise psycopg.Rollback
        except errors.DeadlockDetected:
            # Two members' transactions, each with a key that the other wants: one starts again.
            return self._run(connection, transaction)
        except psycopg.Error as error:
            if error.sqlstate not in {OVERDRAFT, *OTHER_MOVEMENT}:
                raise
            own = {earlier.key for earlier, _ in became}
            if error.sqlstate == OVERDRAFT or movement.key in own:
                return []
            return [(movement, "refused")]
        return [] if transaction.gives_up else became

    def _write(self, connection: psycopg.Connection, movement: Movement, way: str) -> str:
        user, key = self.members[movement.member], f"{self._name} {movement.key}"
        if way == "unit of work":
            row = {
                "id": str(uuid4()),
                "user_id": user,
                "event_type": "test",
                "amount": movement.amount,
                "reference_type": "test",
                "reference_id": "00000000-0000-0000-0000-000000000007",
                "idempotency_key": key,
            }
            applied = connection.execute(
                "select apply_change(%s, clock_timestamp())",
                (Jsonb({"op": "insert", "table": "credit_events", "row": row}),),
            ).fetchone()
            assert applied == (True,)
            return "there"
        if way == "plain":
            return "written" if write(connection, user, movement.amount, key) else "there"
        # Who asked for nothing at a conflict gets it, where two members race for one key.
        written = write(connection, user, movement.amount, key, " on conflict do nothing")
        return "written" if written else "there or lost"

    def written(self) -> dict[int, Movement]:
        """The ledger's movements by key."""
        with psycopg.connect(self._url) as connection:
            found = connection.execute(
                "select user_id::text, amount, split_part(idempotency_key, ' ', 2)::integer"
                " from credit_events where idempotency_key like %s and processed",
                (f"{self._name} %",),
            ).fetchall()
        return {key: Movement(self.members.index(user), amount, key) for user, amount, key in found}

    def balances(self) -> list[int]:
        """What the members have, wherever one looks."""
        with psycopg.connect(self._url) as connection:
            return balances(connection, *self.members)

    def watch(self, until: threading.Event) -> None:
        """Compare what is committed until told to stop."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not until.is_set():
                assert min(balances(connection, *self.members)) >= 0


@settings(
    max_examples=25,
    deadline=None,
    # What depends on who comes first does not get smaller by trying.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sessions=histories)
def test_any_concurrent_history_adds_up_at_every_prefix(
    any_database: str, sessions: list[list[Transaction]]
) -> None:
    ledger = Ledger(any_database)
    done = threading.Event()
    with ThreadPoolExecutor(SESSIONS + 1) as pool:
        watching = pool.submit(ledger.watch, done)
        try:
            became = [one for found in pool.map(ledger.run, sessions) for one in found]
        finally:
            done.set()
        watching.result()

    written = ledger.written()
    for movement, how in became:
        if how == "refused":
            assert written[movement.key] != movement
        elif how == "there or lost":
            winner = written[movement.key]
            assert winner == movement or winner.member != movement.member
        else:
            assert written[movement.key] == movement
    once = [movement.key for movement, how in became if how == "written"]
    assert len(once) == len(set(once))
    total = [0] * MEMBERS
    for movement in written.values():
        total[movement.member] += movement.amount
    assert ledger.balances() == total

    # Everything that was written, once more, by everybody at once.
    again = [
        Transaction((movement,), way, gives_up=False)
        for movement in written.values()
        for way in ("plain", "on conflict do nothing", "unit of work")
    ]
    with ThreadPoolExecutor(SESSIONS) as pool:
        replayed = [how for found in pool.map(ledger.run, [again] * SESSIONS) for _, how in found]
    assert set(replayed) <= {"there", "there or lost"}
    assert len(replayed) == len(again) * SESSIONS
    assert ledger.balances() == total
    assert ledger.written() == written
