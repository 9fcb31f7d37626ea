"""The credit ledger: append-only, and every balance equal to its sum."""

from __future__ import annotations

import random
import threading

import psycopg
import pytest
from psycopg import errors

MOVEMENT = (
    "insert into credit_events"
    " (user_id, event_type, amount, reference_type, reference_id, idempotency_key)"
    " values (%s, 'test', %s, 'test', gen_random_uuid(), %s) on conflict do nothing"
)
BALANCES = """
    select coalesce(u.credit_balance, 0), coalesce(b.balance, 0), coalesce(i.credits_balance, 0),
        (select coalesce(sum(e.amount), 0) from credit_events as e where e.user_id = u.id)
    from users as u
    left join user_credit_balances as b on b.user_id = u.id
    left join innovators as i on i.user_id = u.id
"""


def members(connection: psycopg.Connection, count: int) -> list[str]:
    """New innovators, with a null balance as older rows have."""
    found = connection.execute(
        "with u as (insert into users (phone_number, credit_balance)"
        " select '+1555000' || n, null from generate_series(1, %s) as n returning id),"
        " i as (insert into innovators (user_id, company_name) select id, 'x' from u)"
        " select id::text from u",
        (count,),
    )
    return [row[0] for row in found]


def test_balances_are_exact_under_concurrent_movements(any_database: str) -> None:
    with psycopg.connect(any_database) as connection:
        users = members(connection, 3)
    failures: list[BaseException] = []

    def spend(seed: int) -> None:
        draw = random.Random(seed)
        try:
            with psycopg.connect(any_database, autocommit=True) as own:
                for _ in range(30):
                    # Keys collide on purpose: a refused movement must not count.
                    key, user = draw.randrange(100), draw.choice(users)
                    own.execute(MOVEMENT, (user, draw.randint(-9, 20), str(key)))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=spend, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    with psycopg.connect(any_database, autocommit=True) as connection:
        while any(thread.is_alive() for thread in threads):
            # At every prefix of the history, not only at its end.
            for balances in connection.execute(BALANCES):
                assert len(set(balances)) == 1
        for thread in threads:
            thread.join()
        assert failures == []
        for balances in connection.execute(BALANCES):
            assert len(set(balances)) == 1
        assert connection.execute(
            "select count(*) > 0, bool_and(processed) from credit_events"
        ).fetchone() == (True, True)


@pytest.mark.parametrize(
    "statement",
    [
        "update credit_events set amount = 1000000",
        "update credit_events set processed = false, description = 'x'",
        "delete from credit_events",
        "truncate credit_events",
        "truncate users cascade",
    ],
)
def test_a_written_movement_stays_whoever_asks(any_database: str, statement: str) -> None:
    with psycopg.connect(any_database) as connection:
        connection.execute(MOVEMENT, (members(connection, 1)[0], 5, "once"))
        with pytest.raises(errors.RestrictViolation, match="append-only"), connection.transaction():
            connection.execute(statement)
        connection.execute("set role service_role")
        with pytest.raises(errors.InsufficientPrivilege), connection.transaction():
            connection.execute(statement)
        connection.execute("update credit_events set processed = true")
        assert connection.execute("select sum(amount) from credit_events").fetchone() == (5,)


def test_a_new_innovator_starts_with_the_balance_of_the_member(any_database: str) -> None:
    with psycopg.connect(any_database) as connection:
        (user,) = connection.execute(
            "insert into users (phone_number) values ('+15550000001') returning id"
        ).fetchone() or (None,)
        connection.execute(MOVEMENT, (user, 25, "a"))
        connection.execute(
            "insert into innovators (user_id, company_name) values (%s, 'x')", (user,)
        )
        connection.execute(MOVEMENT, (user, -5, "b"))
        assert connection.execute(BALANCES).fetchall() == [(20, 20, 20, 20)]


def test_an_innovator_made_during_a_movement_does_not_miss_it(any_database: str) -> None:
    with psycopg.connect(any_database) as connection:
        (user,) = connection.execute(
            "insert into users (phone_number) values ('+15550000001') returning id"
        ).fetchone() or (None,)

    def enrol() -> None:
        with psycopg.connect(any_database) as own:
            own.execute("insert into innovators (user_id, company_name) values (%s, 'x')", (user,))

    enrolling = threading.Thread(target=enrol)
    with psycopg.connect(any_database) as connection:
        connection.execute(MOVEMENT, (user, 25, "a"))
        enrolling.start()
        enrolling.join(0.3)
    enrolling.join()
    with psycopg.connect(any_database) as connection:
        assert connection.execute(BALANCES).fetchall() == [(25, 25, 25, 25)]


def test_the_balance_of_one_member_is_found_by_index(any_database: str) -> None:
    with psycopg.connect(any_database) as connection:
        connection.execute("set enable_seqscan = off")
        plan = connection.execute(
            "explain select balance from user_credit_balances"
            " where user_id = '00000000-0000-0000-0000-000000000000'"
        ).fetchall()
    assert any("credit_events_user_id_created_at_idx" in row[0] for row in plan)
