"""Texts that the agent writes or judges afresh before they may leave (protocol.md, 28)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from lib.engine.render import Rendering
from tests.support.claims import add_task, claim, claim_tasks, send, settle, turn
from tests.support.rpc import Rpc
from tests.support.sessions import Sessions

ADA, BOB = "+12125550101", "+12125550102"
SYSTEM = {"kind": "system"}
STOP = {"body": "STOP", "keyword": "stop", "word": "STOP"}
NIGHT = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
MORNING = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
AS_IT_IS = {"verdict": "send"}
NEW_WORDS = {"verdict": "rewrite", "texts": ["new words"]}
NEVER = {"verdict": "supersede", "reason": "settled"}


def stale(rpc: Rpc, user: UUID, text: str = "a text", **columns: Any) -> UUID:
    """A text that must be judged afresh."""
    return rpc.queue(user, text, requires_fresh_context=True, **columns)


def judging(rpc: Rpc, token: UUID | None = None, **more: Any) -> list[str]:
    """The ids of the texts that claim_renders hands out, in its order."""
    answer = rpc.call("claim_renders", token=token or uuid4(), **more)
    return [render["id"] for render in answer["renders"]]


def judged(rpc: Rpc, token: UUID, text: UUID, verdict: dict[str, Any], **more: Any) -> str:
    """What commit_render answers."""
    answer = rpc.call("commit_render", token=token, id=text, verdict=verdict, **more)
    outcome: str = answer["outcome"]
    return outcome


def under_judgement(rpc: Rpc, **columns: Any) -> tuple[UUID, UUID, UUID]:
    """A text of Ada's that is being judged, Ada, and the token."""
    user, token = rpc.member(ADA), uuid4()
    text = stale(rpc, user, **columns)
    assert judging(rpc, token) == [str(text)]
    return text, user, token


def failed(rpc: Rpc, token: UUID, text: UUID, kind: str) -> dict[str, Any]:
    return rpc.call("fail_render", token=token, id=text, error="ValueError", kind=kind)


# What is claimed


def test_only_what_is_unwritten_or_to_be_judged_afresh_is_claimed_and_nothing_of_it_is_sent(
    rpc: Rpc,
) -> None:
    users = [rpc.member(f"+1212555010{n}") for n in range(6)]
    unwritten = rpc.queue(users[0], final_message=None)
    afresh = stale(rpc, users[1], priority="high")
    rpc.queue(users[2], "ready")
    stale(rpc, users[3], due=rpc.now + timedelta(seconds=1))
    stale(rpc, users[4], status="superseded")
    stale(rpc, users[5], delivered_message_id=rpc.rows("select id from messages limit 1")[0]["id"])
    assert judging(rpc) == [str(afresh), str(unwritten)]
    assert rpc.claim_texts() == ["ready"]
    assert rpc.claim_texts(users[0]) + rpc.claim_texts(users[1]) == []


def test_behind_any_number_of_held_texts_another_is_judged_in_the_same_run(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    rpc.now = NIGHT
    for _ in range(20):
        stale(rpc, user, priority="high")
    code = stale(rpc, user, data=SYSTEM, priority="low")
    answer = rpc.call("claim_renders", token=uuid4())
    assert (answer["renders"], answer["more"]) == ([], True)
    assert judging(rpc) == [str(code)]


def test_members_who_share_the_id_of_a_sequence_are_judged_each_for_themselves(rpc: Rpc) -> None:
    ada, bob = rpc.member(ADA), rpc.member(BOB)
    columns: dict[str, Any] = {"sequence_id": uuid4()}
    stale(rpc, ada, sequence_position=1, due=rpc.now + timedelta(hours=1), **columns)
    rpc.queue(bob, sequence_position=1, **columns)
    second = stale(rpc, bob, sequence_position=2, **columns)
    assert rpc.claim_texts() == ["a text"]
    assert judging(rpc) == [str(second)]


def test_what_is_judged_is_no_others_to_judge_until_its_lease_runs_out(rpc: Rpc) -> None:
    text, _, token = under_judgement(rpc)
    render = rpc.queued(text)["message_data"]["render"]
    assert (render["token"], render["attempt"]) == (str(token), 1)
    rpc.pass_time(seconds=44.999)
    assert judging(rpc) == []
    rpc.pass_time(seconds=0.001)
    second = uuid4()
    assert judging(rpc, second) == [str(text)]
    assert rpc.queued(text)["message_data"]["render"]["attempt"] == 2
    assert judged(rpc, token, text, AS_IT_IS) == "stale"
    assert judged(rpc, second, text, AS_IT_IS) == "applied"


def test_the_same_token_gets_the_same_texts_again_and_nothing_else(rpc: Rpc) -> None:
    text, _, token = under_judgement(rpc)
    stale(rpc, rpc.member(BOB), priority="high")
    assert judging(rpc, token) == [str(text)]
    assert rpc.queued(text)["message_data"]["render"]["attempt"] == 1


def test_one_text_of_a_member_is_judged_at_a_time(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    first, second = stale(rpc, user, "first", priority="high"), stale(rpc, user, "second")
    assert judging(rpc, token) == [str(first)]
    assert judging(rpc) == []
    assert judged(rpc, token, first, AS_IT_IS) == "applied"
    assert rpc.claim_texts() == ["first"]
    assert judging(rpc) == [str(second)]


def test_no_more_members_than_asked_for_are_claimed_and_more_says_that_some_are_left(
    rpc: Rpc,
) -> None:
    texts = {str(stale(rpc, rpc.member(f"+1212555010{n}"))) for n in range(3)}
    first = rpc.call("claim_renders", token=uuid4(), limit=2)
    assert (len(first["renders"]), first["more"]) == (2, True)
    second = rpc.call("claim_renders", token=uuid4(), limit=2)
    assert (len(second["renders"]), second["more"]) == (1, False)
    assert {r["id"] for r in first["renders"] + second["renders"]} == texts


# The gate is asked first


def test_no_text_that_quiet_hours_hold_is_judged_before_they_are_over(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    rpc.now = NIGHT
    text = stale(rpc, user)
    assert judging(rpc) == []
    assert rpc.queued(text)["message_data"]["hold"]["rule"] == "quiet_hours"
    assert rpc.queued(text)["scheduled_for"] == MORNING
    rpc.now = MORNING
    assert judging(rpc) == [str(text)]


def test_no_text_over_the_budget_is_judged_and_asking_charges_nothing(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    rpc.rows(
        "insert into user_message_budget (user_id, date, messages_sent)"
        " values (%s, '2026-11-23', 4) returning id",
        user,
    )
    first, second = stale(rpc, user, "first", priority="high"), stale(rpc, user, "second")
    assert judging(rpc, token) == [str(first)]
    charged = "select messages_sent as n from user_message_budget"
    assert rpc.rows(charged) == [{"n": 4}]
    judged(rpc, token, first, AS_IT_IS)
    assert rpc.claim_texts() == ["first"]
    assert rpc.rows(charged) == [{"n": 5}]
    assert judging(rpc) == []
    assert rpc.queued(second)["message_data"]["hold"]["rule"] == "daily_limit"


def test_a_text_that_a_newer_one_replaces_is_not_judged(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    old = stale(rpc, user, "old", data={"topic": "t"})
    rpc.pass_time(seconds=1)
    new = stale(rpc, user, "new", data={"topic": "t"})
    assert judging(rpc) == [str(new)]
    assert rpc.queued(old)["status"] == "superseded"


def test_nothing_is_judged_for_a_member_who_has_opted_out(rpc: Rpc) -> None:
    user = rpc.member(ADA)
    rpc.text(ADA, **STOP)
    text = stale(rpc, user, data=SYSTEM)
    assert judging(rpc) == []
    assert rpc.queued(text)["superseded_reason"] == "opted out"


# The member comes first


def test_while_a_member_waits_for_an_answer_theirs_wait_a_minute_and_nobody_elses_do(
    rpc: Rpc,
) -> None:
    ada, bob = rpc.member(ADA), rpc.member(BOB)
    text, other = stale(rpc, ada), stale(rpc, bob)
    event = rpc.text(ADA)["event_id"]
    assert judging(rpc) == [str(other)]
    assert rpc.queued(text)["scheduled_for"] == rpc.now + timedelta(minutes=1)
    rpc.rows("update events set processed = true where id = %s returning id", event)
    assert judging(rpc) == []
    rpc.pass_time(minutes=1)
    assert str(text) in judging(rpc)


def test_nothing_is_judged_while_the_member_is_being_answered_or_worked_for(rpc: Rpc) -> None:
    ada, bob = rpc.member(ADA), rpc.member(BOB)
    rpc.rows(
        "insert into events (event_type, aggregate_id, aggregate_type, payload, created_at)"
        " values ('x', %s, 'user', '{}', now()) returning id",
        ada,
    )
    (event,) = rpc.rows("select id from events where event_type = 'x'")
    assert claim(rpc, event["id"])["outcome"] == "claimed"
    add_task(rpc, bob)
    assert len(claim_tasks(rpc)) == 1
    stale(rpc, ada)
    stale(rpc, bob)
    assert judging(rpc) == []
    rpc.pass_time(minutes=10)
    assert len(judging(rpc)) == 2


def test_nothing_is_judged_before_it_is_known_what_became_of_the_text_in_flight(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    flying = rpc.queue(user, "flying", priority="high")
    text = stale(rpc, user)
    assert send(rpc, token, user) == ["flying"]
    assert judging(rpc) == []
    settle(rpc, token, flying, user, "accepted")
    rpc.pass_time(minutes=1)
    assert judging(rpc) == [str(text)]


def test_who_judges_keeps_nobody_from_answering_or_sending(rpc: Rpc) -> None:
    _, user, _ = under_judgement(rpc)
    rpc.queue(user, "ready")
    assert rpc.claim_texts() == ["ready"]
    turn(rpc, ADA)


# Verdicts


def test_a_text_that_still_fits_leaves_as_it_is(rpc: Rpc) -> None:
    text, user, token = under_judgement(rpc)
    answer = rpc.call("commit_render", token=token, id=text, verdict=AS_IT_IS)
    assert answer == {"outcome": "applied", "texts_due": [str(user)]}
    row = rpc.queued(text)
    assert (row["requires_fresh_context"], row["message_data"]) == (False, {})
    assert rpc.claim_texts() == ["a text"]


@pytest.mark.parametrize("words", [None, "old words"])
def test_new_words_take_the_place_of_the_old_or_of_none(rpc: Rpc, words: str | None) -> None:
    text, _, token = under_judgement(rpc, final_message=words)
    assert judged(rpc, token, text, NEW_WORDS) == "applied"
    assert rpc.queued(text)["final_message"] == "new words"
    assert rpc.claim_texts() == ["new words"]


def test_a_text_that_is_not_to_be_said_is_superseded_and_says_why(rpc: Rpc) -> None:
    text, _, token = under_judgement(rpc, data={"topic": "t"})
    assert judged(rpc, token, text, NEVER) == "applied"
    row = rpc.queued(text)
    assert (row["status"], row["superseded_reason"]) == ("superseded", "settled")
    assert row["message_data"] == {"topic": "t"}
    assert rpc.claim_texts() == []


def test_what_was_judged_passes_the_gate_again(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    rpc.now = NIGHT - timedelta(hours=1, seconds=1)
    text = stale(rpc, user)
    assert judging(rpc, token) == [str(text)]
    rpc.pass_time(seconds=1)
    assert judged(rpc, token, text, AS_IT_IS) == "applied"
    assert rpc.claim_texts() == []
    assert rpc.queued(text)["message_data"]["hold"]["rule"] == "quiet_hours"


def parts(rpc: Rpc, user: UUID, count: int = 3) -> list[UUID]:
    columns: dict[str, Any] = {"sequence_id": uuid4(), "sequence_total": count}
    return [stale(rpc, user, f"{n}", sequence_position=n, **columns) for n in range(1, count + 1)]


@pytest.mark.parametrize(
    ("verdict", "sent"),
    [
        (AS_IT_IS, ["1", "2", "3"]),
        ({"verdict": "rewrite", "texts": ["a", "b", "c"]}, ["a", "b", "c"]),
        ({"verdict": "rewrite", "texts": ["a", "b"]}, ["a", "b"]),
        (NEVER, []),
    ],
)
def test_a_sequence_is_judged_as_one(rpc: Rpc, verdict: dict[str, Any], sent: list[str]) -> None:
    user, token = rpc.member(ADA), uuid4()
    ids = parts(rpc, user)
    answer = rpc.call("claim_renders", token=token)
    (render,) = answer["renders"]
    assert render["id"] == str(ids[0])
    assert [draft["content"] for draft in render["context"]["drafts"]] == ["1", "2", "3"]
    assert judged(rpc, token, ids[0], verdict) == "applied"
    left: list[str] = []
    while texts := rpc.claim_texts():
        left += texts
    assert left == sent
    assert "queued" not in {rpc.queued(part)["status"] for part in ids}


@pytest.mark.parametrize(
    "verdict",
    [
        AS_IT_IS,
        {"verdict": "rewrite", "texts": []},
        {"verdict": "rewrite", "texts": ["a", "b"]},
        {"verdict": "rewrite", "texts": [" "]},
        {"verdict": "supersede"},
        {"verdict": "supersede", "reason": ""},
        {"verdict": "weird"},
        {},
    ],
)
def test_a_verdict_that_makes_no_sense_of_an_unwritten_text_changes_nothing(
    rpc: Rpc, verdict: dict[str, Any]
) -> None:
    text, _, token = under_judgement(rpc, final_message=None)
    before = rpc.queued(text)
    assert judged(rpc, token, text, verdict) == "invalid"
    assert rpc.queued(text) == before


def test_the_calls_of_a_verdict_are_logged_also_when_it_comes_too_late(rpc: Rpc) -> None:
    text, user, token = under_judgement(rpc)
    call = {"agent_type": "concierge", "action_type": "text_judgement", "user_id": str(user)}
    for outcome in ("applied", "stale"):
        calls = [call | {"id": str(uuid4())}]
        assert judged(rpc, token, text, AS_IT_IS, calls=calls) == outcome
    assert len(rpc.rows("select 1 as one from agent_actions_log")) == 2


# What comes in between


def test_a_verdict_that_was_found_before_the_members_text_is_refused(rpc: Rpc) -> None:
    text, _, token = under_judgement(rpc)
    rpc.text(ADA)
    for verdict in (AS_IT_IS, NEW_WORDS, NEVER):
        assert judged(rpc, token, text, verdict) == "stale"
    assert failed(rpc, token, text, "own") == {"outcome": "stale"}
    row = rpc.queued(text)
    assert (row["status"], row["requires_fresh_context"]) == ("queued", True)


def test_a_verdict_that_meets_the_members_text_half_way_is_refused(sessions: Sessions) -> None:
    recorder, judge = sessions.open(), sessions.open()
    text, _, token = under_judgement(judge)
    with recorder.connection.transaction():
        recorder.text(ADA)
        waiting = sessions.waits(judge, lambda: judged(judge, token, text, AS_IT_IS))
    assert waiting.result() == "stale"
    assert judge.claim_texts() == []


def test_a_text_that_comes_while_a_verdict_is_applied_has_it_judged_again(
    sessions: Sessions,
) -> None:
    judge, recorder = sessions.open(), sessions.open()
    text, _, token = under_judgement(judge)
    with judge.connection.transaction():
        assert judged(judge, token, text, AS_IT_IS) == "applied"
        waiting = sessions.waits(recorder, lambda: recorder.text(ADA))
    waiting.result()
    assert judge.claim_texts() == []
    assert judge.queued(text)["requires_fresh_context"] is True


def test_two_orchestrators_at_once_never_judge_two_texts_of_a_member(sessions: Sessions) -> None:
    first, second = sessions.open(), sessions.open()
    ada, bob = first.member(ADA), first.member(BOB)
    one = stale(first, ada, "one", priority="high")
    stale(first, ada, "two")
    other = stale(first, bob, priority="low")
    second.now = first.now
    with first.connection.transaction():
        assert judging(first, limit=1) == [str(one)]
        # The other skips the member that is locked, and waits for nobody.
        assert sessions.at_once(second, lambda: judging(second)) == [str(other)]
    assert judging(second) == []


def test_a_text_is_not_sent_and_judged_at_once(sessions: Sessions) -> None:
    sender, judge = sessions.open(), sessions.open()
    user = sender.member(ADA)
    sender.queue(user, "ready", priority="high")
    text = stale(sender, user)
    judge.now = sender.now
    with sender.connection.transaction():
        assert send(sender, uuid4(), user) == ["ready"]
        assert sessions.at_once(judge, lambda: judging(judge)) == []
    assert judging(judge) == []
    assert judge.queued(text)["scheduled_for"] == judge.now + timedelta(minutes=1)


def test_a_claim_of_texts_to_judge_that_is_repeated_while_it_runs_claims_nothing_beside_it(
    sessions: Sessions,
) -> None:
    first, second, token = sessions.open(), sessions.open(), uuid4()
    text = stale(first, first.member(ADA))
    second.now = first.now
    with first.connection.transaction():
        assert judging(first, token) == [str(text)]
        repeated = sessions.at_once(second, lambda: second.call("claim_renders", token=token))
    assert repeated == {"outcome": "retry"}
    assert judging(second, token) == [str(text)]


def test_stop_while_a_text_is_judged_is_the_last_word(rpc: Rpc) -> None:
    text, _, token = under_judgement(rpc)
    rpc.text(ADA, **STOP)
    assert judged(rpc, token, text, AS_IT_IS) == "stale"
    assert rpc.queued(text)["status"] == "superseded"


# Failures


def test_our_own_errors_are_five_attempts_and_then_the_text_is_superseded(rpc: Rpc) -> None:
    text, _, token = under_judgement(rpc)
    for wait in (10, 30, 120, 600):
        assert failed(rpc, token, text, "own")["outcome"] == "rescheduled"
        assert failed(rpc, token, text, "own") == {"outcome": "stale"}
        rpc.pass_time(seconds=wait - 0.001)
        assert judging(rpc) == []
        rpc.pass_time(seconds=0.001)
        token = uuid4()
        assert judging(rpc, token) == [str(text)]
    assert failed(rpc, token, text, "own") == {"outcome": "superseded"}
    row = rpc.queued(text)
    assert row["superseded_reason"] == "could not be judged: ValueError"
    assert (row["status"], row["message_data"]) == ("superseded", {})


def test_a_crash_counts_as_an_attempt(rpc: Rpc) -> None:
    text, _, _ = under_judgement(rpc)
    for _ in range(4):
        rpc.pass_time(seconds=45)
        assert judging(rpc) == [str(text)]
    rpc.pass_time(seconds=45)
    assert judging(rpc) == []
    row = rpc.queued(text)
    assert (row["status"], row["superseded_reason"]) == (
        "superseded", "could not be judged: 5 attempts",
    )  # fmt: skip


def test_failures_of_a_dependency_are_no_attempts_and_end_after_a_day(rpc: Rpc) -> None:
    text, _, token = under_judgement(rpc)
    for wait in (5, 10, 20, 40, 80, 160, 300, 300):
        assert failed(rpc, token, text, "dependency")["outcome"] == "rescheduled"
        rpc.pass_time(seconds=wait - 0.001)
        assert judging(rpc) == []
        rpc.pass_time(seconds=0.001)
        token = uuid4()
        assert judging(rpc, token) == [str(text)]
        assert rpc.queued(text)["message_data"]["render"]["attempt"] == 1
    rpc.pass_time(hours=24)
    assert failed(rpc, token, text, "dependency") == {"outcome": "superseded"}


def test_a_part_that_could_not_be_judged_takes_the_others_along(rpc: Rpc) -> None:
    user, token = rpc.member(ADA), uuid4()
    ids = parts(rpc, user)
    assert judging(rpc, token) == [str(ids[0])]
    failed(rpc, token, ids[0], "own")
    again = rpc.now + timedelta(seconds=10)
    assert [rpc.queued(part)["scheduled_for"] for part in ids] == [again] * 3


# Odd rows


@pytest.mark.parametrize(
    "data",
    [
        "null", '"x"', '{"render": 7}', '{"render": {"until": "soon", "attempt": "x"}}',
        '{"items": "x"}', '{"items": [1, null, "x"]}',
        '{"render": {"until": "2999-01-01T00:00:00Z"}}', '{"render": {"until": "infinity"}}',
    ],
)  # fmt: skip
def test_texts_with_odd_data_are_judged_like_others(rpc: Rpc, data: str) -> None:
    user, token = rpc.member(ADA), uuid4()
    text = stale(rpc, user, created_at=None)
    rpc.rows("update message_queue set message_data = %s::jsonb returning id", data)
    assert judging(rpc, token) == [str(text)]
    assert judged(rpc, token, text, AS_IT_IS) == "applied"


def test_a_member_who_cannot_be_read_delays_nobody_else(rpc: Rpc) -> None:
    ada, bob = rpc.member(ADA), rpc.member(BOB)
    text, other = stale(rpc, ada, priority="high"), stale(rpc, bob)
    rpc.connection.execute("reset role")
    rpc.connection.execute(
        "create or replace function render_context(p_text message_queue, p_now timestamptz)"
        " returns jsonb language plpgsql as $$ begin"
        f" if p_text.id = '{text}' then perform 1 / 0; end if;"
        " return '{}'; end; $$".encode()
    )
    rpc.connection.execute("set role service_role")
    answer = rpc.call("claim_renders", token=uuid4())
    assert [render["id"] for render in answer["renders"]] == [str(other)]
    assert answer["broken"] == [{"id": str(text), "user_id": str(ada), "code": "22012"}]
    row = rpc.queued(text)
    assert row["scheduled_for"] == rpc.now + timedelta(minutes=10)
    assert row["message_data"]["error_code"] == "22012"
    rpc.pass_time(hours=24)
    judging(rpc)
    assert rpc.queued(text)["status"] == "failed"


def test_texts_to_judge_of_a_member_who_does_not_exist_fail(rpc: Rpc) -> None:
    rpc.connection.execute("reset role")
    rpc.connection.execute("alter table message_queue drop constraint message_queue_user_id_fkey")
    rpc.connection.execute("set role service_role")
    orphan = stale(rpc, uuid4())
    answer = rpc.call("claim_renders", token=uuid4())
    assert (answer["renders"], answer["more"]) == ([], True)
    assert rpc.queued(orphan)["message_data"]["error_code"] == "no_member"


def test_the_context_is_what_the_agent_reads(rpc: Rpc) -> None:
    user = rpc.member(ADA, first_name="Ada")
    rpc.rows(
        "insert into user_priorities (user_id, priority_rank, item_type, item_id)"
        " values (%s, 1, 'community_request', gen_random_uuid()) returning id",
        user,
    )
    (item,) = rpc.rows("select id from user_priorities")
    data = {"topic": "community_request:x", "items": [str(item["id"])]}
    text = stale(rpc, user, "the words", data=data, agent_id="bouncer")
    (render,) = rpc.call("claim_renders", token=uuid4())["renders"]
    read = Rendering.model_validate(render["context"] | {"source": render["id"]})
    assert (read.source, read.agent_id, read.topic) == (text, "bouncer", "community_request:x")
    assert read.items == ["community_request"]
    assert read.member.first_name == "Ada"
    assert [(d.id, d.content) for d in read.drafts] == [(text, "the words")]
    assert [m.content for m in read.history] == ["hi"]
    assert read.conversation is not None


def test_a_member_without_a_conversation_can_be_written_to(rpc: Rpc) -> None:
    (user,) = rpc.rows("insert into users (phone_number) values (%s) returning id", ADA)
    text = stale(rpc, user["id"])
    (render,) = rpc.call("claim_renders", token=uuid4())["renders"]
    read = Rendering.model_validate(render["context"] | {"source": text})
    assert (read.conversation, read.history) == (None, [])
