"""Members who have asked, answered and been paid are exported and erased by the real commands."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.days import DAY_S, MINUTE_S, has_read, ledger, member, to_hour, until
from tests.support.operators import operate
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import Phone

QUESTION = "Does anyone know falconry insurers?"
ANSWER = (
    "We asked four falconry brokers last year, and I signed with the smallest one, because it paid"
    " within two weeks when a bird was lost"
)
OUTCOME = "That helped, we went with the smallest broker and saved three thousand"


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock these tests move."""
    with running_stack() as running:
        yield running


def places(stack: StackUnderTest, *looked_for: str) -> dict[tuple[str, str], str]:
    """Every column of every table in which one of these stands, in any case."""
    found = {}
    with stack.connect() as connection:
        columns = connection.execute(
            "select c.table_name as t, c.column_name as c from information_schema.columns as c"
            " inner join information_schema.tables as t using (table_schema, table_name)"
            " where c.table_schema = 'public' and t.table_type = 'BASE TABLE'"
        ).fetchall()
        for column in columns:
            rows = connection.execute(
                f'select "{column["c"]}"::text as value from "{column["t"]}"'.encode()  # noqa: S608
            ).fetchall()
            for row in rows:
                value = (row["value"] or "").casefold()
                for words in looked_for:
                    if words.casefold() in value:
                        found[column["t"], column["c"]] = words
    return found


def balances(phone: Phone) -> list[dict[str, Any]]:
    return phone.rows(
        "select u.id, coalesce(u.credit_balance, 0) as cache, coalesce(b.balance, 0) as view,"
        " (select coalesce(sum(c.amount), 0) from credit_events c where c.user_id = u.id) as sum"
        " from users u left join user_credit_balances b on b.user_id = u.id"
    )


@pytest.mark.timeout(420)  # a fortnight of three members
def test_no_copy_of_who_asked_or_who_answered_is_left_and_the_ledger_adds_up(
    own: StackUnderTest, tmp_path: Path
) -> None:
    asker = member(own, first_name="Adalind", last_name="Quaresma", email="adalind@quantel.test")
    expert = member(
        own, first_name="Benedek", last_name="Szarvas", expertise=["falconry", "insurers"]
    )
    referred = Phone(own)
    referred.converse("hello", "adalind QUARESMA sent me")
    to_hour(own, 12)
    asker.converse(QUESTION)
    wait_for(lambda: asker.rows("select 1 from community_requests"), "recorded request")
    until(own, lambda: has_read(expert, "falconry insurers"))
    to_hour(own, 12)
    expert.converse(ANSWER)
    until(own, lambda: ledger(expert), MINUTE_S * 2)
    until(own, lambda: has_read(asker, "smallest one"))
    to_hour(own, 12)
    asker.converse(OUTCOME)
    own.advance(DAY_S)
    until(own, lambda: has_read(expert, "three thousand"))
    for phone in (asker, expert, referred):
        phone.wait_until_idle()

    # The asker
    said = [QUESTION, "falconry insurers", OUTCOME, "three thousand"]
    who = [asker.number, asker.number[1:], "Adalind Quaresma", "adalind@quantel.test", "Quaresma"]
    before = places(own, *said)
    assert ("messages", "content") in before
    assert ("community_responses", "impact_description") in before
    file = tmp_path / "asker.json"
    status, printed = operate(own, "export", PHONE=asker.number, FILE=str(file))
    assert status == 0, printed
    exported = json.loads(file.read_text(encoding="utf-8"))
    assert exported["phone_number"] == asker.number
    assert {"users", "messages", "community_requests", "events"} <= set(exported["tables"])
    assert "Szarvas" not in file.read_text(encoding="utf-8")

    status, printed = operate(own, "erase", PHONE=asker.number)
    assert status != 0, "nobody confirmed it"
    assert ("messages", "content") in places(own, *said)
    status, printed = operate(own, "erase", PHONE=asker.number, YES="1")
    assert status == 0, printed
    assert places(own, *said, *who) == {}
    assert operate(own, "erase", PHONE=asker.number, YES="1")[0] == 0

    # The expert, who was paid
    paid = ledger(expert)
    movements = expert.rows("select * from credit_events order by id")
    assert operate(own, "erase", PHONE=expert.number, YES="1")[0] == 0
    assert places(own, ANSWER, "falconry", "smallest", expert.number[1:], "Szarvas") == {}
    assert expert.rows("select * from credit_events order by id") == movements
    assert all(row["cache"] == row["view"] == row["sum"] for row in balances(expert))
    assert sum(row["sum"] for row in balances(expert)) == sum(paid)

    # Nothing more is said, and who writes again is somebody new.
    texts = [asker.received(), expert.received()]
    for _ in range(4):
        own.advance(2 * DAY_S)
    assert [asker.received(), expert.received()] == texts
    to_hour(own, 12)
    asker.converse("hello again")
    assert asker.user()["verified"] is False
    assert asker.user()["first_name"] is None
