"""The credit ledger: append-only, a key for every movement, and no more spent than there is."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from lib.engine.work import UnitOfWork
from tests.support.ledger import MOVEMENT, ROW, balances, members, write
from tests.support.rpc import Rpc

REFERENCE = UUID(int=7)
STRANGERS = itertools.count(1000)


@pytest.fixture
def connection(any_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(any_database, autocommit=True) as opened:
        yield opened


@pytest.fixture
def rpc(any_database: str) -> Iterator[Rpc]:
    session = Rpc(any_database)
    yield session
    session.close()


def waits(url: str, job: Callable[[psycopg.Connection], object]) -> threading.Thread:
    """`job` on a connection of its own, started and by now waiting for a lock."""

    def work() -> None:
        with psycopg.connect(url) as own:
            job(own)

    thread = threading.Thread(target=work)
    thread.start()
    with psycopg.connect(url, autocommit=True) as watching:
        while watching.execute("select from pg_locks where not granted").fetchone() is None:
            assert thread.is_alive(), "it did not wait"
    return thread


# Append-only


@pytest.mark.parametrize(
    "statement",
    [
        "update credit_events set amount = 1000000",
        "update credit_events set processed = false, description = 'x'",
        # A copy under a key of its own, since one under the same key never gets to its conflict.
        "insert into credit_events"
        " select (jsonb_populate_record(e, jsonb_build_object('idempotency_key', 'k'))).*"
        " from credit_events as e on conflict (id) do update set amount = 1000000",
        "delete from credit_events",
        "truncate credit_events",
        "truncate users cascade",
    ],
)
def test_a_written_movement_stays_whoever_asks(any_database: str, statement: str) -> None:
    with psycopg.connect(any_database) as connection:
        write(connection, members(connection, 1)[0], 5, "once")
        with pytest.raises(errors.RestrictViolation, match="append-only"), connection.transaction():
            connection.execute(statement.encode())
        connection.execute("set role service_role")
        with pytest.raises(errors.InsufficientPrivilege), connection.transaction():
            connection.execute(statement.encode())
        connection.execute("update credit_events set processed = true")
        assert connection.execute("select sum(amount) from credit_events").fetchone() == (5,)


# One key, one movement


@pytest.mark.parametrize("ending", ["", " on conflict do nothing"])
def test_the_same_movement_again_changes_nothing(
    connection: psycopg.Connection, ending: str
) -> None:
    (user,) = members(connection, 1)
    assert write(connection, user, 20, "k", ending) == 1
    assert write(connection, user, 20, "k", ending) == 0
    assert balances(connection, user) == [20]
    # Also where it could no longer be paid: it was.
    write(connection, user, -20, "spent", ending)
    assert write(connection, user, -20, "spent", ending) == 0
    assert balances(connection, user) == [0]


def test_the_same_movement_twice_in_one_statement_counts_once(
    connection: psycopg.Connection,
) -> None:
    (user,) = members(connection, 1)
    connection.execute(f"{MOVEMENT}, {ROW}".encode(), (user, 5, "k") * 2)
    assert balances(connection, user) == [5]


@pytest.mark.parametrize("ending", ["", " on conflict do nothing"])
@pytest.mark.parametrize(("mine", "amount", "said"), [(True, 21, "amount"), (False, 20, "member")])
def test_another_movement_under_the_same_key_is_an_error_that_shows_no_data(
    connection: psycopg.Connection, ending: str, mine: bool, amount: int, said: str
) -> None:
    one, other = members(connection, 2)
    write(connection, one, 20, "k", ending)
    with pytest.raises(errors.UniqueViolation) as raised:
        write(connection, one if mine else other, amount, "k", ending)
    assert str(raised.value).splitlines()[0] == (
        f"credit_events: this idempotency key belongs to a movement of another {said}"
    )
    assert one not in str(raised.value)
    assert balances(connection, one, other) == [20, 0]


def test_two_members_at_once_under_one_key_are_one_movement_and_one_error(
    any_database: str, connection: psycopg.Connection
) -> None:
    one, other = members(connection, 2)
    refused: list[errors.UniqueViolation] = []

    def second(own: psycopg.Connection) -> None:
        try:
            write(own, other, 20, "k")
        except errors.UniqueViolation as error:
            refused.append(error)

    with connection.transaction():
        write(connection, one, 20, "k")
        waiting = waits(any_database, second)
    waiting.join()
    assert len(refused) == 1
    assert balances(connection, one, other) == [20, 0]


@pytest.mark.parametrize("ending", ["", " on conflict do nothing"])
def test_two_amounts_at_once_under_one_key_are_one_movement_and_one_error(
    any_database: str, connection: psycopg.Connection, ending: str
) -> None:
    (user,) = members(connection, 1)
    refused: list[errors.UniqueViolation] = []

    def second(own: psycopg.Connection) -> None:
        try:
            write(own, user, 21, "k", ending)
        except errors.UniqueViolation as error:
            refused.append(error)

    with connection.transaction():
        write(connection, user, 20, "k")
        waiting = waits(any_database, second)
    waiting.join()
    assert len(refused) == 1
    assert balances(connection, user) == [20]


def test_the_same_movement_twice_at_once_is_one(
    any_database: str, connection: psycopg.Connection
) -> None:
    (user,) = members(connection, 1)
    written: list[int] = []
    with connection.transaction():
        write(connection, user, 20, "k")
        waiting = waits(any_database, lambda own: written.append(write(own, user, 20, "k")))
    waiting.join()
    assert written == [0]
    assert balances(connection, user) == [20]


# No overdraft


def test_nobody_spends_more_than_they_have(connection: psycopg.Connection) -> None:
    (user,) = members(connection, 1)
    for amount, key in ((-1, "from nothing"), (-21, "too much")):
        with pytest.raises(psycopg.Error, match="fewer credits") as raised:
            write(connection, user, amount, key)
        assert raised.value.sqlstate == "YP003"
        write(connection, user, 20, "earned")
    assert write(connection, user, -20, "all of it") == 1
    assert balances(connection, user) == [0]


def test_the_rows_of_one_statement_cannot_overdraw_together(connection: psycopg.Connection) -> None:
    (user,) = members(connection, 1)
    write(connection, user, 100, "earned")
    with pytest.raises(psycopg.Error, match="fewer credits"):
        connection.execute(f"{MOVEMENT}, {ROW}".encode(), (user, -60, "a", user, -60, "b"))
    assert balances(connection, user) == [100]


def test_of_two_who_spend_the_same_credits_at_once_one_is_refused(
    any_database: str, connection: psycopg.Connection
) -> None:
    (user,) = members(connection, 1)
    write(connection, user, 100, "earned")
    refused: list[str | None] = []

    def second(own: psycopg.Connection) -> None:
        try:
            write(own, user, -60, "b")
        except psycopg.Error as error:
            refused.append(error.sqlstate)

    with connection.transaction():
        write(connection, user, -60, "a")
        waiting = waits(any_database, second)
    waiting.join()
    assert refused == ["YP003"]
    assert balances(connection, user) == [40]


def test_who_was_overdrawn_before_us_may_still_earn(connection: psycopg.Connection) -> None:
    (user,) = members(connection, 1)
    connection.execute("update users set credit_balance = -50")
    write(connection, user, 20, "earned")
    assert connection.execute("select credit_balance from users").fetchone() == (-30,)
    with pytest.raises(psycopg.Error, match="fewer credits"):
        write(connection, user, -1, "spent")


# Innovators


def test_a_new_innovator_starts_with_the_balance_of_the_member(
    connection: psycopg.Connection,
) -> None:
    (user,) = members(connection, 1, innovators=False)
    write(connection, user, 25, "a")
    connection.execute("insert into innovators (user_id, company_name) values (%s, 'x')", (user,))
    write(connection, user, -5, "b")
    assert balances(connection, user) == [20]


def test_an_innovator_who_is_made_another_members_has_their_balance(rpc: Rpc) -> None:
    one, other = member(rpc), str(rpc.member("+12125550143"))
    commit(rpc, pay(one, 25, "a"), pay(other, 7, "b"))
    rpc.rows("insert into innovators (user_id, company_name) values (%s, 'x') returning id", one)
    (moved,) = rpc.rows("update innovators set user_id = %s returning credits_balance", other)
    assert moved == {"credits_balance": 7}


def test_an_innovator_made_during_a_movement_does_not_miss_it(
    any_database: str, connection: psycopg.Connection
) -> None:
    (user,) = members(connection, 1, innovators=False)
    enrol = "insert into innovators (user_id, company_name) values (%s, 'x')"
    with connection.transaction():
        write(connection, user, 25, "a")
        waiting = waits(any_database, lambda own: own.execute(enrol, (user,)))
    waiting.join()
    assert balances(connection, user) == [25]


# Through a unit of work


def commit(rpc: Rpc, *fill: Callable[[UnitOfWork], object]) -> dict[str, Any]:
    """Commit a unit of work, filled by each of `fill`, about a text of somebody new."""
    event = UUID(rpc.text(f"+1212555{next(STRANGERS)}")["event_id"])
    token = uuid4()
    assert rpc.call("claim_event", event_id=event, token=token)["outcome"] == "claimed"
    unit = UnitOfWork(event, created_by="test")
    for part in fill:
        part(unit)
    return rpc.call(
        "commit_work", work={"events": [str(event)], "changes": unit.changes}, token=token
    )


def pay(
    user: str,
    amount: int,
    key: str = "k",
    event_type: str = "bounty",
    reference_type: str = "intro_opportunity",
    reference_id: UUID = REFERENCE,
) -> Callable[[UnitOfWork], object]:
    return lambda unit: unit.pay(
        UUID(user),
        amount,
        event_type=event_type,
        reference_type=reference_type,
        reference_id=reference_id,
        key=key,
    )


def member(rpc: Rpc) -> str:
    return str(rpc.member("+12125550142"))


def state(rpc: Rpc, user: str) -> tuple[int, int]:
    """The member's balance and the sum of their movements."""
    (row,) = rpc.rows(
        "select u.credit_balance as balance, coalesce(sum(e.amount), 0)::int as total"
        " from users as u left join credit_events as e on e.user_id = u.id"
        " where u.id = %s group by u.id",
        UUID(user),
    )
    return row["balance"], row["total"]


def test_a_bounty_is_paid_once_however_often_it_is_decided(rpc: Rpc) -> None:
    user = member(rpc)
    for _ in range(3):
        assert commit(rpc, pay(user, 50))["outcome"] == "applied"
    assert commit(rpc, pay(user, 50, "other"), pay(user, 50, "other"))["outcome"] == "applied"
    assert state(rpc, user) == (100, 100)


@pytest.mark.parametrize(
    "other",
    [
        {"amount": 51},
        {"reference_id": UUID(int=8)},
        {"reference_type": "prospect"},
        {"event_type": "conversion"},
        {"user": None},
    ],
    ids=lambda other: str(next(iter(other))),
)
def test_another_payment_under_the_same_key_makes_the_unit_invalid(
    rpc: Rpc, other: dict[str, Any]
) -> None:
    user = member(rpc)
    somebody = str(rpc.member("+12125550143"))
    assert commit(rpc, pay(user, 50))["outcome"] == "applied"
    fields: dict[str, Any] = {"user": user, "amount": 50} | other
    answer = commit(
        rpc,
        lambda unit: unit.update("users", UUID(user), {"title": "x"}, expect={}),
        pay(**fields | {"user": fields["user"] or somebody}),
    )
    assert (answer["outcome"], answer["change"]) == ("invalid", 2)
    assert "idempotency key" in answer["error"]
    assert not {user, somebody} & set(answer["error"].split())
    assert state(rpc, user) == (50, 50)
    assert rpc.rows("select from users where title = 'x'") == []


def test_a_payment_under_the_id_of_another_makes_the_unit_invalid(rpc: Rpc) -> None:
    user = member(rpc)
    commit(rpc, pay(user, 50))
    (written,) = rpc.rows("select * from credit_events")
    row = {k: str(v) for k, v in written.items() if k not in {"created_at", "description"}}
    row["idempotency_key"] = "another"
    answer = commit(rpc, lambda unit: unit.insert("credit_events", row))
    assert (answer["outcome"], answer["change"]) == ("invalid", 1)
    assert state(rpc, user) == (50, 50)


def test_a_unit_that_loses_a_key_to_another_member_meanwhile_is_invalid(
    any_database: str, rpc: Rpc
) -> None:
    one, other = member(rpc), str(rpc.member("+12125550143"))
    answers: list[dict[str, Any]] = []

    def second(_: psycopg.Connection) -> None:
        own = Rpc(any_database, rpc.now)
        answers.append(commit(own, pay(other, 50)))
        own.close()

    with psycopg.connect(any_database) as holding:
        write(holding, one, 50, "k")
        waiting = waits(any_database, second)
    waiting.join()
    assert [answer["outcome"] for answer in answers] == ["invalid"]
    assert "idempotency key" in answers[0]["error"]
    assert (state(rpc, one), state(rpc, other)) == ((50, 50), (0, 0))


def test_spending_too_much_is_a_conflict_that_says_so_and_nothing_of_the_unit_happens(
    rpc: Rpc,
) -> None:
    innovator, connector = member(rpc), str(rpc.member("+12125550143"))
    commit(rpc, pay(innovator, 49, "earned"))
    bounty = (pay(connector, 50, "intro"), pay(innovator, -50, "intro debit"))
    assert commit(rpc, *bounty) == {
        "outcome": "conflict",
        "change": 2,
        "table": "credit_events",
        "reason": "overdraft",
    }
    assert (state(rpc, innovator), state(rpc, connector)) == ((49, 49), (0, 0))
    commit(rpc, pay(innovator, 1, "one more"))
    assert commit(rpc, *bounty)["outcome"] == "applied"
    assert commit(rpc, *bounty)["outcome"] == "applied"
    assert (state(rpc, innovator), state(rpc, connector)) == ((0, 0), (50, 50))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda unit, user: unit.add("users", user, credit_balance=5), "follows the ledger"),
        (
            lambda unit, user: unit.update("users", user, {"credit_balance": 5}, expect={}),
            "follows the ledger",
        ),
        (
            lambda unit, _: unit.insert("users", {"phone_number": "+1", "credit_balance": 5}),
            "follows the ledger",
        ),
        (lambda unit, user: unit.add("innovators", user, credits_balance=5), "follows the ledger"),
        (
            lambda unit, user: unit.insert(
                "innovators", {"user_id": user, "company_name": "x", "credits_balance": 5}
            ),
            "follows the ledger",
        ),
        (
            lambda unit, _: unit.update("credit_events", REFERENCE, {"amount": 5}, expect={}),
            "append-only",
        ),
        (lambda unit, _: unit.add("credit_events", REFERENCE, amount=5), "append-only"),
    ],
)
def test_no_unit_of_work_moves_a_balance_but_through_the_ledger(
    rpc: Rpc, change: Callable[[UnitOfWork, UUID], object], said: str
) -> None:
    user = member(rpc)
    answer = commit(rpc, lambda unit: change(unit, UUID(user)))
    assert (answer["outcome"], answer["change"]) == ("invalid", 1)
    assert said in answer["error"]
    assert state(rpc, user) == (0, 0)


@pytest.mark.parametrize(
    "statement",
    [
        "update users set credit_balance = 1000000",
        "update users set credit_balance = null",
        "update innovators set credits_balance = credits_balance + 1",
        "insert into users (phone_number, credit_balance) values ('+1', 5)",
        "insert into users (id, phone_number, credit_balance)"
        " select id, phone_number, 5 from users"
        " on conflict (id) do update set credit_balance = excluded.credit_balance",
    ],
)
def test_not_even_the_service_role_writes_a_balance_past_the_ledger(
    rpc: Rpc, connection: psycopg.Connection, statement: str
) -> None:
    (user,) = members(connection, 1)
    write(connection, user, 5, "once")
    with pytest.raises(errors.RestrictViolation, match="follows the ledger"):
        rpc.connection.execute(statement.encode())
    rpc.connection.execute("update users set title = 'x', credit_balance = 5")
    write(connection, user, 1, "again")
    assert balances(connection, user) == [6]


def test_whoever_owns_the_tables_may_set_a_balance_right(connection: psycopg.Connection) -> None:
    (user,) = members(connection, 1, innovators=False)
    for balance in (7, 0):
        connection.execute("update users set credit_balance = %s", (balance,))
        found = connection.execute("select credit_balance from users").fetchone()
        assert found == (balance,)
    assert balances(connection, user) == [0]


def test_a_decision_may_still_expect_the_balance_that_it_read(rpc: Rpc) -> None:
    user = member(rpc)
    for balance, outcome in ((0, "applied"), (1, "conflict")):

        def spend(unit: UnitOfWork, balance: int = balance) -> None:
            unit.update("users", UUID(user), {"title": "x"}, expect={"credit_balance": balance})

        assert commit(rpc, spend)["outcome"] == outcome


# What it costs


def test_the_balance_of_one_member_is_found_by_index(connection: psycopg.Connection) -> None:
    connection.execute("set enable_seqscan = off")
    plan = connection.execute(
        "explain select balance from user_credit_balances"
        " where user_id = '00000000-0000-0000-0000-000000000000'"
    ).fetchall()
    assert any("credit_events_user_id_created_at_idx" in row[0] for row in plan)


def test_a_movement_reads_as_much_of_a_long_ledger_as_of_an_empty_one(
    connection: psycopg.Connection,
) -> None:
    (user,) = members(connection, 1)

    def pages(key: str) -> int:
        """The pages touched by one movement, triggers included."""
        plan = connection.execute(
            f"explain (analyze, buffers, format json) {MOVEMENT}".encode(), (user, 1, key)
        ).fetchone()
        assert plan is not None
        top = plan[0][0]["Plan"]
        return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])

    write(connection, user, 1, "warm")
    before = pages("first")
    connection.execute("alter table credit_events disable trigger user")
    connection.execute(
        "insert into credit_events (user_id, event_type, amount, reference_type, reference_id,"
        " idempotency_key) select %s, 'test', 1, 'test', gen_random_uuid(), 'm' || n"
        " from generate_series(1, 20000) as n",
        (user,),
    )
    connection.execute("alter table credit_events enable trigger user")
    connection.execute("vacuum analyze credit_events")
    write(connection, user, 1, "warm again")
    # One level more in each of four indexes, and a page that fills up here and there.
    assert pages("last") <= before + 12
