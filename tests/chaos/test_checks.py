"""Each check finds what it is there for: over the rows of a healthy run with one thing broken."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from lib.core.ids import derived_id, inbound_message_id
from lib.domain.community import credits_for, payment_key
from tests.chaos import checks
from tests.chaos.drive import Sent
from tests.chaos.evidence import Evidence, Row
from tests.chaos.plan import Answer, Conversation, Plan, Poison, Request

_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
_USEFUL = "We used two vendors at our last company and switched after we saved a third of the cost"
_CHATTING, _OPTING = "+12125551000", "+12125551001"


def _at(minutes: int) -> datetime:
    return _NOON + timedelta(minutes=minutes)


def _event(sid: str, type_: str, user_id: str, minute: int, token: str = "") -> Row:
    done = {"attempt": 1, "done": {"token": token, "result": {}}} if token else {}
    return {
        "id": str(derived_id(inbound_message_id(sid), "event")),
        "event_type": type_,
        "aggregate_id": user_id,
        "metadata": done,
        "processed": True,
        "created_at": _at(minute),
    }


def _reply(source: str, user_id: str, minute: int) -> Row:
    id_ = str(derived_id(UUID(source), 1))
    return {
        "id": id_,
        "unit": id_,
        "user_id": user_id,
        "message_data": {"kind": "reply", "attempts": 1},
        "status": "sent",
        "superseded_reason": None,
        "created_at": _at(minute),
    }


def _receipt(sid: str, user_id: str) -> Row:
    return {
        "id": str(uuid4()),
        "event_type": "message.delivery_updated",
        "aggregate_id": user_id,
        "payload": {"sid": sid, "status": "delivered"},
        "metadata": {},
        "processed": True,
    }


def _task(type_: str, answer: Answer | None, user_id: str, status: str = "completed") -> Row:
    return {
        "id": str(uuid4()),
        "task_type": type_,
        "status": status,
        "user_id": user_id,
        "context_json": {"response_id": str(answer.id)} if answer else {},
    }


def _message(conversation: Row, direction: str, sid: str, id_: str | None = None) -> Row:
    return {
        "id": id_ or str(uuid4()),
        "user_id": conversation["user_id"],
        "conversation_id": conversation["id"],
        "direction": direction,
        "sid": sid,
    }


def _healthy() -> Evidence:
    """Two texts, each answered; one STOP; a request with an answer that was paid; two poisons."""
    chatting, opting, expert = (str(uuid4()) for _ in range(3))
    conversations: list[Row] = [
        {
            "id": str(uuid4()),
            "user_id": user,
            "status": status,
            "messages_since_summary": counted,
            "last_summary_message_id": None,
            "summarised": False,
        }
        for user, status, counted in ((chatting, "active", 5), (opting, "archived", 1))
    ]
    first = _event("SM1", "user.message.received", chatting, 1, "token 1")
    second = _event("SM2", "user.message.received", chatting, 3, "token 2")
    queue = [_reply(first["id"], chatting, 2), _reply(second["id"], chatting, 4)]
    answer = Answer(uuid4(), "+12125551002", _USEFUL, 0.0, True)
    request = Request(uuid4(), _CHATTING, (answer.number,), (answer,), 3000.0)
    told = _reply(str(uuid4()), chatting, 9)
    told["message_data"] = {
        "kind": "proactive",
        "topic": f"community_request:{request.id}",
        "attempts": 1,
    }
    queue.append(told)
    earned = credits_for(10)
    poison = (
        Poison(uuid4(), "events", "nobody.knows_this", {}, None, 0.0),
        Poison(uuid4(), "agent_tasks", "make_coffee", {}, None, 0.0),
    )
    closed: Row = {
        "id": str(uuid4()),
        "event_type": "community.request_closed",
        "aggregate_id": str(request.id),
        "metadata": {},
        "processed": True,
    }
    dead: Row = {
        "id": str(poison[0].id),
        "event_type": "nobody.knows_this",
        "aggregate_id": None,
        "metadata": {"dead": {"error": "unknown type"}},
        "processed": True,
    }
    return Evidence(
        Plan(
            1,
            (
                Conversation(_CHATTING, "asker", (), 0.0),
                Conversation(_OPTING, "opting", (), 0.0),
            ),
            (request,),
            poison,
        ),
        sent=[
            Sent("SM1", _CHATTING, "hello there", 1.0, 2.0),
            Sent("SM2", _CHATTING, "and now?", 3.0, 4.0),
            Sent("SM3", _OPTING, "STOP", 1.0, 2.0),
        ],
        users=[
            {"id": chatting, "number": _CHATTING, "credit_balance": 0},
            {"id": opting, "number": _OPTING, "credit_balance": 0},
            {"id": expert, "number": answer.number, "credit_balance": earned},
        ],
        conversations=conversations,
        messages=[
            _message(conversations[0], "inbound", "SM1"),
            _message(conversations[0], "inbound", "SM2"),
            *(
                _message(conversations[0], "outbound", f"SMout{n}", row["id"])
                for n, row in enumerate(queue)
            ),
            _message(conversations[1], "inbound", "SM3"),
        ],
        events=[
            first,
            second,
            _event("SM3", "user.opted_out", opting, 1),
            closed,
            dead,
            _receipt("SMout0", chatting),
        ],
        tasks=[
            _task("process_community_response", answer, expert) | {"id": str(answer.id)},
            {"id": str(poison[1].id), "status": "failed"},
            _task("community_response_available", answer, chatting),
            _task("notify_expert_of_impact", answer, expert, status="pending"),
            _task("account_manager_review", None, chatting, status="pending"),
        ],
        queue=queue,
        requests=[
            {
                "id": str(request.id),
                "requesting_user_id": chatting,
                "status": "closed",
                "closed_loop_at": _at(8),
            }
        ],
        responses=[
            {
                "id": str(answer.id),
                "request_id": str(request.id),
                "user_id": expert,
                "verbatim_answer": _USEFUL,
                "usefulness_score": 10,
                "credits_awarded": earned,
                "created_at": _at(5),
            }
        ],
        ledger=[
            {
                "user_id": expert,
                "amount": earned,
                "idempotency_key": payment_key(answer.id),
            }
        ],
        balances=[{"user_id": expert, "balance": earned}],
        at_twilio=[
            {"row": row["id"], "sid": f"SMout{n}", "to": _CHATTING} for n, row in enumerate(queue)
        ],
    )


def test_a_healthy_run_has_no_problems() -> None:
    assert checks.all_problems(_healthy()) == {}


def _put(table: str, row: int, /, **values: object) -> Callable[[Evidence], None]:
    return lambda evidence: getattr(evidence, table)[row].update(values)


def _remove(table: str, row: int) -> Callable[[Evidence], None]:
    return lambda evidence: getattr(evidence, table).pop(row)


def _double(table: str, row: int) -> Callable[[Evidence], None]:
    def double(evidence: Evidence) -> None:
        rows = getattr(evidence, table)
        rows.append(deepcopy(rows[row]) | {"id": str(uuid4())})

    return double


def _lost(body: str, began_s: float) -> Callable[[Evidence], None]:
    """A text of the phone that opts out at 1.0 s; it was recorded, and its event is gone."""

    def lose(evidence: Evidence) -> None:
        evidence.sent.append(Sent("SMlost", _OPTING, body, began_s, began_s))
        message = _message(evidence.conversations[1], "inbound", "SMlost")
        evidence.messages.append(message)
        evidence.conversations[1]["messages_since_summary"] += 1

    return lose


def _second_answer(evidence: Evidence) -> None:
    source = UUID(evidence.events[0]["id"])
    id_ = str(derived_id(source, 2))
    evidence.queue.append(evidence.queue[0] | {"id": id_, "unit": id_, "status": "superseded"})


def _own_error(evidence: Evidence) -> None:
    evidence.events[0]["metadata"]["error"] = "KeyError"


def _grown(evidence: Evidence) -> None:
    asker, opting = evidence.plan.conversations
    grown = Conversation(asker.number, "long", (), 0.0, grows_after=0)
    evidence.plan = Plan(1, (grown, opting), evidence.plan.requests, evidence.plan.poison)


def _decided_backwards(evidence: Evidence) -> None:
    first, second = evidence.queue[:2]
    first["created_at"], second["created_at"] = second["created_at"], first["created_at"]


def _left_backwards(evidence: Evidence) -> None:
    evidence.at_twilio[:2] = evidence.at_twilio[1::-1]


BROKEN: list[tuple[checks.Check, Callable[[Evidence], None]]] = [
    (checks.every_text_is_recorded_once, _remove("messages", 0)),
    (checks.every_text_is_recorded_once, _double("messages", 0)),
    (checks.every_text_is_recorded_once, _put("messages", 0, sid="SMunknown")),
    (checks.every_member_and_conversation_exists_once, _double("users", 0)),
    (checks.every_member_and_conversation_exists_once, _double("conversations", 0)),
    (checks.every_text_is_one_finished_event, _remove("events", 0)),
    (checks.every_text_is_one_finished_event, _double("events", 0)),
    (checks.every_text_is_one_finished_event, _put("events", 0, metadata=None)),
    (checks.every_text_is_one_finished_event, _remove("events", 2)),
    (checks.every_text_is_one_finished_event, _lost("before", 0.5)),
    (checks.who_opted_out_last_is_opted_out, _put("conversations", 1, status="active")),
    (checks.nothing_is_left_open, _put("events", 0, processed=None)),
    (checks.nothing_is_left_open, _put("tasks", 0, status="processing")),
    (checks.nothing_is_left_open, _put("queue", 0, status="queued")),
    (checks.nothing_is_left_open, _put("requests", 0, status="open")),
    (checks.poison_and_nothing_else_is_dead, _put("events", 0, metadata={"dead": {}})),
    (checks.poison_and_nothing_else_is_dead, _put("events", 4, metadata={"done": {}})),
    (checks.poison_and_nothing_else_is_dead, _put("tasks", 0, status="failed")),
    (checks.poison_and_nothing_else_is_dead, _put("tasks", 1, status="completed")),
    (checks.nothing_failed_by_our_own_fault, _own_error),
    (checks.every_turn_is_answered_once, _remove("queue", 0)),
    (checks.every_turn_is_answered_once, _second_answer),
    (checks.every_turn_is_answered_once, _double("queue", 0)),
    (checks.every_sent_text_is_at_twilio_once, _remove("at_twilio", 0)),
    (checks.every_sent_text_is_at_twilio_once, _double("at_twilio", 0)),
    (checks.every_sent_text_is_at_twilio_once, _put("at_twilio", 0, row="")),
    (checks.every_sent_text_is_at_twilio_once, _put("at_twilio", 0, sid="SMother")),
    (checks.every_sent_text_is_at_twilio_once, _put("at_twilio", 0, to=_OPTING)),
    (checks.every_sent_text_is_at_twilio_once, _put("queue", 0, status="superseded")),
    (checks.every_sent_text_is_at_twilio_once, _put("queue", 0, status="failed")),
    (checks.every_sent_text_is_at_twilio_once, _put("messages", 2, id="other")),
    (checks.every_message_is_counted_once, _put("conversations", 0, messages_since_summary=6)),
    (checks.every_long_conversation_is_summarised, _grown),
    (
        checks.every_long_conversation_is_summarised,
        _put("conversations", 0, last_summary_message_id="gone"),
    ),
    (checks.answers_are_scored_and_paid_once, _remove("responses", 0)),
    (checks.answers_are_scored_and_paid_once, _put("responses", 0, usefulness_score=None)),
    (checks.answers_are_scored_and_paid_once, _put("responses", 0, credits_awarded=None)),
    (checks.answers_are_scored_and_paid_once, _remove("ledger", 0)),
    (checks.answers_are_scored_and_paid_once, _double("ledger", 0)),
    (checks.answers_are_scored_and_paid_once, _put("ledger", 0, idempotency_key="other")),
    (checks.every_scored_answer_is_followed_up_once, _remove("tasks", 0)),
    (checks.every_scored_answer_is_followed_up_once, _remove("tasks", 2)),
    (checks.every_scored_answer_is_followed_up_once, _remove("tasks", 3)),
    (checks.nothing_is_recorded_or_scheduled_twice, _double("tasks", 2)),
    (checks.nothing_is_recorded_or_scheduled_twice, _double("tasks", 4)),
    (checks.nothing_is_recorded_or_scheduled_twice, _double("events", 5)),
    (checks.every_balance_is_the_ledgers_sum, _put("users", 2, credit_balance=1)),
    (checks.every_balance_is_the_ledgers_sum, _put("ledger", 0, amount=1)),
    (checks.every_balance_is_the_ledgers_sum, _remove("balances", 0)),
    (checks.every_request_is_closed_and_told_once, _remove("events", 3)),
    (checks.every_request_is_closed_and_told_once, _remove("queue", 2)),
    (checks.every_request_is_closed_and_told_once, _double("queue", 2)),
    (checks.answers_follow_the_texts, _decided_backwards),
    (checks.answers_follow_the_texts, _left_backwards),
    (
        checks.no_log_holds_a_text_or_a_number,
        lambda evidence: evidence.logged.update(event_processor=1),
    ),
]


@pytest.mark.parametrize(("check", "breaks"), BROKEN)
def test_a_check_finds_what_it_is_there_for(
    check: checks.Check, breaks: Callable[[Evidence], None]
) -> None:
    evidence = _healthy()
    breaks(evidence)
    assert list(check(evidence)) != []


def test_every_check_is_run_and_has_been_seen_to_find_something() -> None:
    assert {check for check, _ in BROKEN} == set(checks.CHECKS)


def test_what_is_said_after_stop_needs_no_event() -> None:
    evidence = _healthy()
    _lost("after", 1.5)(evidence)
    assert checks.all_problems(evidence) == {}


def test_others_may_go_ahead_of_a_text_that_was_claimed_three_times() -> None:
    evidence = _healthy()
    _decided_backwards(evidence)
    _left_backwards(evidence)
    for event in evidence.events:
        if "attempt" in (event["metadata"] or {}):
            event["metadata"]["attempt"] = 3
    assert list(checks.answers_follow_the_texts(evidence)) == []


def test_what_nobody_asked_for_may_be_judged_away_and_an_answer_may_not() -> None:
    evidence = _healthy()
    text = evidence.queue[0]
    evidence.at_twilio = [sent for sent in evidence.at_twilio if sent["row"] != text["id"]]
    text |= {"status": "superseded", "superseded_reason": "settled by what the member wrote"}
    assert list(checks.every_sent_text_is_at_twilio_once(evidence)) != []
    text["message_data"] = {"kind": "proactive"}
    assert list(checks.every_sent_text_is_at_twilio_once(evidence)) == []
