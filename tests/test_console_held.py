"""Operators see which texts may not leave yet, why, and until when, over a running stack."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from lib.console.__main__ import main
from lib.console.disclosure import WITHHELD
from tests.support.stack import StackUnderTest
from tests.support.texting import Phone

WORDS = "My number is +1 212 555 0188 and I hate exports"


@pytest.fixture(autouse=True)
def in_stack(stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YACHTPARTY_STATE_DIR", str(stack.directory))
    monkeypatch.delenv("SUPABASE_URL", raising=False)


@pytest.fixture
def phone(stack: StackUnderTest) -> Phone:
    phone = Phone(stack)
    phone.converse("hello")
    phone.wait_until_idle()  # the answer is queued, and listed, until it is recorded
    return phone


def queue(phone: Phone, data: dict[str, Any], due: str = "infinity", **columns: Any) -> UUID:
    """A text that is far from leaving, by default never."""
    row = {
        "id": uuid4(),
        "user_id": phone.user()["id"],
        "agent_id": "concierge",
        "message_data": Jsonb(data),
        "final_message": WORDS,
        "scheduled_for": due,
    } | columns
    phone.rows(
        f"insert into message_queue ({', '.join(row)}) values"  # noqa: S608
        f" ({', '.join(['%s'] * len(row))}) returning id",
        *row.values(),
    )
    return UUID(str(row["id"]))


HELD = {
    "kind": "proactive",
    "topic": "community_request:00000000-0000-0000-0000-000000000001",
    "hold": {"rule": "daily_limit", "until": "2099-01-05T13:00:00Z", "due": "2026-11-22T10:00:00Z"},
}


def test_a_held_text_says_why_until_when_and_when_it_was_due(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    member = str(phone.user()["id"])
    text = queue(phone, HELD, "2099-01-05T13:00:00Z", priority="low")
    assert main(["held", "list", "--member", member]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split()[:3] == ["id", "state", "why"]
    assert " ".join(line.split()) == (
        f"{text} held daily_limit 2099-01-05 13:00:00Z 2099-01-05 08:00 America/New_York"
        f" 2026-11-22 10:00:00Z proactive low {HELD['topic']} {member}"
    )


def test_nobody_s_words_or_numbers_are_shown_wherever_they_stand(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = {"kind": WORDS, "topic": WORDS, "hold": {"rule": WORDS, "until": WORDS, "due": WORDS}}
    queue(phone, damaged, "2099-01-05T13:00:00Z", priority=WORDS[:20], agent_id=WORDS)
    queue(phone, {"topic": "12125550188", "error_code": "12125550188"}, "2099-01-05T13:00:00Z")
    assert main(["held", "list", "--member", str(phone.user()["id"])]) == 0
    shown = capsys.readouterr().out
    assert shown.count(WITHHELD) == 4
    for hidden in ("exports", "555", phone.number):
        assert hidden not in shown


def test_states_are_told_apart_and_the_rest_is_counted(
    phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    member = str(phone.user()["id"])
    held = [queue(phone, HELD, "2099-01-05T13:00:00Z") for _ in range(2)]
    fresh = queue(phone, {}, "2099-01-05T13:00:00Z", requires_fresh_context=True)
    stuck = queue(phone, {})
    for state, ids in {"held": held, "fresh": [fresh], "stuck": [stuck]}.items():
        assert main(["held", "list", "--member", member, "--state", state]) == 0
        _, *lines = capsys.readouterr().out.splitlines()
        assert {line.split()[0] for line in lines} == {str(id_) for id_ in ids}
    assert main(["held", "list", "--member", member, "--limit", "2"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert (len(lines), last) == (3, "There are more: --limit, --state, --member.")


def test_without_any_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["held", "list", "--member", str(uuid4())]) == 0
    assert capsys.readouterr().out == "No text is held.\n"
    with pytest.raises(SystemExit):
        main(["held", "list", "--state", "whatever"])


def test_the_database_named_by_the_variables_is_asked_instead_of_the_stack(
    phone: Phone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = queue(phone, HELD, "2099-01-05T13:00:00Z")
    supabase = phone.stack.description["supabase"]
    monkeypatch.setenv("YACHTPARTY_STATE_DIR", "nowhere")
    monkeypatch.setenv("SUPABASE_URL", supabase["url"])
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", supabase["key"])
    asked = ["held", "list", "--member", str(phone.user()["id"])]
    assert main(asked) == 0
    assert str(text) in capsys.readouterr().out
    assert main([*asked, "--local"]) == 2
    assert "No local stack is running" in capsys.readouterr().err
