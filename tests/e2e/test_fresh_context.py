"""A text that waits is judged afresh after the member has written, before it leaves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from psycopg.types.json import Jsonb
from pydantic import HttpUrl, SecretStr

from lib.adapters.supabase import Database
from lib.core.settings import SupabaseSettings
from lib.domain.zones import zone_of
from lib.engine.render import Renderer, Rendering, Verdict
from lib.engine.work import DecisionFailed, UnitOfWork
from tests.support.scripted_model import CALL
from tests.support.stack import StackUnderTest, running_stack, wait_for
from tests.support.texting import (
    Phone,
    asked_of_claude,
    control_claude,
    control_twilio,
    scripted,
    settle,
    until_by_ticks,
)

JUDGEMENT = "You decide for Yachtparty"


@pytest.fixture(scope="module")
def own() -> Iterator[StackUnderTest]:
    """A stack whose clock these tests move."""
    with running_stack() as running:
        yield running


@pytest.fixture(autouse=True)
def at_night(own: StackUnderTest) -> Iterator[None]:
    """Each test begins at eleven in the evening of a New Yorker, without faults."""
    control_claude(own, reset=True)
    control_twilio(own, reset=True)
    own.advance_to(23)
    yield
    control_claude(own, reset=True)
    control_twilio(own, reset=True)


def talk(phone: Phone, words: str) -> None:
    """Text, and wait until the answer is there and recorded: a text in flight puts others off."""
    phone.converse(words)

    def is_over() -> bool:
        replies = [r for r in phone.queued_rows() if r["message_data"].get("kind") == "reply"]
        return all(r["status"] != "queued" for r in replies) and all(
            event["processed"] for event in phone.inbound_events()
        )

    wait_for(is_over, "end of the turn")


def member(stack: StackUnderTest) -> Phone:
    """A verified member who has talked with the concierge before."""
    phone = Phone(stack)
    assert str(zone_of(None, phone.number)) == "America/New_York"
    talk(phone, "hi there")
    phone.verify(first_name="Ida")
    return phone


def queue(phone: Phone, words: str | None, **data: str) -> None:
    """Queue a proactive text, as a background agent does."""
    phone.rows(
        "insert into message_queue (user_id, agent_id, message_data, final_message, scheduled_for,"
        " created_at) select id, 'concierge', %s, %s, %s, %s from users where phone_number = %s"
        " returning id",
        Jsonb(data),
        words,
        phone.stack.now(),
        phone.stack.now(),
        phone.number,
    )


def waiting(phone: Phone) -> dict[str, Any]:
    """The text that was queued by `queue`."""
    rows = [row for row in phone.queued_rows() if row["message_data"].get("kind") != "reply"]
    assert len(rows) == 1
    return rows[0]


def held_over_night(phone: Phone, words: str | None) -> None:
    """Queue a text that quiet hours hold until the morning."""
    queue(phone, words)
    until_held(phone)


def until_held(phone: Phone) -> None:
    """Tick until quiet hours hold the text: one tick passes by a member who is locked just then."""

    def hold() -> dict[str, Any] | None:
        phone.stack.run_schedule("message_orchestrator")
        held: dict[str, Any] | None = waiting(phone)["message_data"].get("hold")
        return held

    assert wait_for(hold, "text that is held")["rule"] == "quiet_hours"


def never_quiet(phone: Phone) -> None:
    """End the night of a member without a tick: what was held is due."""
    phone.rows(
        "update users set quiet_hours_start = '00:00', quiet_hours_end = '00:00'"
        " where phone_number = %s returning id",
        phone.number,
    )


def judgements(stack: StackUnderTest) -> int:
    """How often Claude was asked for a verdict since the last reset."""
    return sum(
        str(request["system"][0]["text"]).startswith(JUDGEMENT)
        for request in asked_of_claude(stack)
    )


def until_judged(phone: Phone) -> None:
    """Until the agent's verdict has been carried out."""
    until_by_ticks(
        phone.stack,
        "message_orchestrator",
        lambda: waiting(phone)["status"] != "queued",
        "verdict carried out",
    )


def test_a_text_that_nobody_wrote_before_leaves_in_the_morning_unjudged(
    own: StackUnderTest,
) -> None:
    phone = member(own)
    held_over_night(phone, "Dan knows vendors.")
    own.advance_to(8)
    until_judged(phone)
    assert phone.received()[-1] == "Dan knows vendors."
    assert judgements(own) == 0


@pytest.mark.parametrize(
    ("queued", "written", "arrives"),
    [
        ("Dan knows two vendors.", "what a day", "Dan knows two vendors."),
        ("Good morning Ida, two vendors fit.", "what a day", "Two vendors fit."),
        ("Still looking for a vendor?", "never mind the vendor, we are all set", None),
        (None, "what a day", "I have news for you. Shall I go on?"),
    ],
    ids=["sent", "rewritten", "superseded", "written"],
)
def test_a_text_of_the_night_is_judged_in_the_morning_when_the_member_has_written_since(
    own: StackUnderTest, queued: str | None, written: str, arrives: str | None
) -> None:
    phone = member(own)
    with own.paused("message_orchestrator"):  # a tick would hold it again at once
        held_over_night(phone, queued) if queued else queue(phone, None)
        talk(phone, written)
        assert "hold" not in waiting(phone)["message_data"]
        until_held(phone)
    assert waiting(phone)["requires_fresh_context"] is True
    assert judgements(own) == 0
    before = phone.received()
    own.advance_to(8)
    until_judged(phone)
    text = waiting(phone)
    assert judgements(own) == 1
    if arrives is None:
        assert phone.received() == before
        assert text["status"] == "superseded"
        assert text["superseded_reason"] == "settled by what the member wrote"
    else:
        assert phone.received() == [*before, arrives]
        assert text["status"] == "sent"
        assert text["message_data"]["counted"] is True
    (call,) = phone.rows(
        "select * from agent_actions_log where user_id = %s and action_type = 'text_judgement'",
        phone.user()["id"],
    )
    assert (call["context_id"], call["error"]) == (text["id"], None)
    assert call["cost_usd"] > 0


def test_an_answer_of_claude_that_breaks_the_rules_twice_is_never_sent(own: StackUnderTest) -> None:
    phone = member(own)
    held_over_night(phone, "Two vendors fit.")
    talk(phone, "what a day")
    before = phone.received()
    scripted(own, "Sure thing", '{"verdict": "rewrite", "texts": ["{\\"a\\": 1}"], "reason": ""}')
    own.advance_to(8)
    until_judged(phone)
    assert waiting(phone)["superseded_reason"] == "no fit words were found"
    assert phone.received() == before


def test_half_an_hour_without_claude_delays_only_what_claude_is_needed_for(
    own: StackUnderTest,
) -> None:
    phone, other = member(own), member(own)
    held_over_night(phone, "Two vendors fit.")
    talk(phone, "what a day")
    held_over_night(other, "Dan knows vendors.")
    control_claude(own, fail="529", times=10_000)
    own.advance_to(8)
    until_judged(other)
    for _ in range(30):
        own.advance(61)
    text = waiting(phone)
    assert text["status"] == "queued"
    assert text["message_data"]["render"]["attempt"] == 0
    assert text["message_data"]["render"]["dependency"]["count"] > 3
    control_claude(own, reset=True)
    settle(own, phone)
    assert phone.received()[-1] == "Two vendors fit."
    calls = phone.rows(
        "select error from agent_actions_log where user_id = %s and action_type = 'text_judgement'"
        " order by created_at",
        phone.user()["id"],
    )
    assert [bool(call["error"]) for call in calls] == [True] * (len(calls) - 1) + [False]


def test_a_text_that_comes_while_claude_is_judging_has_it_judged_again(
    own: StackUnderTest,
) -> None:
    phone, other = member(own), member(own)
    held_over_night(phone, "Two vendors fit.")
    talk(phone, "what a day")
    own.advance_to(7)
    queue(other, "Dan knows vendors.")
    control_claude(own, delay_ms=6_000)
    with ThreadPoolExecutor(1) as pool:
        # Answers when the orchestrator has.
        ticking = pool.submit(own.advance_to, 8)
        wait_for(lambda: "token" in waiting(phone)["message_data"].get("render", {}), "judging", 20)
        # Beside it, others are sent their texts.
        wait_for(lambda: waiting(other)["status"] == "sent", "text to another")
        assert "token" in waiting(phone)["message_data"]["render"]
        phone.text("never mind the vendors")
        assert "render" not in waiting(phone)["message_data"]
        control_claude(own, delay_ms=0)
        ticking.result()
    settle(own, phone)
    assert waiting(phone)["superseded_reason"] == "settled by what the member wrote"
    assert "Two vendors fit." not in phone.received()


def test_three_orchestrators_at_once_ask_about_each_text_once(own: StackUnderTest) -> None:
    phones = [member(own) for _ in range(3)]
    for phone in phones:
        held_over_night(phone, "Two vendors fit.")
        talk(phone, "what a day")
    control_claude(own, delay_ms=500)
    for phone in phones:
        never_quiet(phone)
    url = own.description["functions"]["message_orchestrator"]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: httpx.post(url, timeout=60).raise_for_status(), range(3)))
    for phone in phones:
        until_judged(phone)
        assert phone.received().count("Two vendors fit.") == 1
    assert judgements(own) == 3


def test_an_error_of_ours_is_recorded_with_the_calls_made_and_tried_again(
    own: StackUnderTest,
) -> None:
    phone = member(own)
    never_quiet(phone)
    supabase = own.description["supabase"]
    database = Database(
        SupabaseSettings(
            supabase_url=HttpUrl(supabase["url"]),
            supabase_service_role_key=SecretStr(supabase["key"]),
        )
    )

    def judge(text: Rendering, _: float) -> tuple[Verdict, UnitOfWork]:
        work = UnitOfWork(text.source, created_by="concierge", source_type="message_queue")
        work.log(CALL, action_type="text_judgement", agent_type="concierge", user_id=text.member.id)
        raise DecisionFailed(work) from ValueError("private words")

    outbox: Any = None  # nothing comes to be sent
    with own.paused("message_orchestrator"):  # the stack's own would write the text
        queue(phone, None)
        phone.rows("update message_queue set scheduled_for = now() - interval '1 s'"
                   " where id = %s returning id", waiting(phone)["id"])  # fmt: skip
        rendered = Renderer(database, judge, outbox).run(5)
        assert rendered.outcomes == {"rescheduled": 1}
        render = waiting(phone)["message_data"]["render"]
        assert render == {"attempt": 1, "error": "ValueError"}
    (call,) = phone.rows(
        "select * from agent_actions_log where action_type = 'text_judgement' and context_id = %s",
        waiting(phone)["id"],
    )
    assert call["context_type"] == "message_queue"
