"""The documents that SQL gives to deciding code fit it, whatever the rows look like."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from lib.engine.documents import Closure, Scoring, Summary
from tests.support.claims import add_task
from tests.support.rpc import Rpc


def insert(rpc: Rpc, table: str, **columns: Any) -> UUID:
    row = {"id": uuid4()} | columns
    rpc.connection.execute(
        f"insert into {table} ({', '.join(row)}) values"  # noqa: S608
        f" ({', '.join(['%s'] * len(row))})".encode(),
        list(row.values()),
    )
    return UUID(str(row["id"]))


def request(rpc: Rpc, **columns: Any) -> UUID:
    return insert(
        rpc,
        "community_requests",
        **{"requesting_agent_type": "concierge", "question": "who?", "created_at": rpc.now}
        | columns,
    )


def answer(rpc: Rpc, request_id: UUID, user_id: UUID, **columns: Any) -> UUID:
    return insert(
        rpc,
        "community_responses",
        **{
            "request_id": request_id,
            "user_id": user_id,
            "response_text": "x",
            "verbatim_answer": "x",
        }
        | columns,
    )


def closure(rpc: Rpc) -> Closure:
    (row,) = rpc.rows("select closure_context(%s) as found", rpc.now)
    return Closure.model_validate(row["found"])


def experts(rpc: Rpc, count: int) -> list[UUID]:
    return [rpc.member(f"+1212555{9000 + n}") for n in range(count)]


def test_only_what_is_expired_or_answered_by_everybody_asked_is_to_be_closed(rpc: Rpc) -> None:
    one, two = experts(rpc, 2)
    past, future = rpc.now - timedelta(seconds=1), rpc.now + timedelta(seconds=1)
    expired = request(rpc, expires_at=past)
    exactly = request(rpc, expires_at=rpc.now)
    answered = request(rpc, expires_at=future, target_user_ids=[one, two])
    answer(rpc, answered, one, usefulness_score=3)
    answer(rpc, answered, two, usefulness_score=8)
    half = request(rpc, expires_at=future, target_user_ids=[one, two])
    answer(rpc, half, one, usefulness_score=3)
    request(rpc, expires_at=future, target_user_ids=[])
    request(rpc, expires_at=past, status="closed")
    old = request(rpc, expires_at=None, created_at=rpc.now - timedelta(days=7))
    request(rpc, expires_at=None, created_at=rpc.now - timedelta(days=6))
    found = {r.id: r for r in closure(rpc).requests}
    assert set(found) == {expired, exactly, answered, old}
    assert [found[expired].expired, found[answered].expired] == [True, False]
    assert {a.user_id for a in found[answered].answers} == {one, two}


def test_an_answer_waits_for_its_score_until_its_task_is_over(rpc: Rpc) -> None:
    (one,) = experts(rpc, 1)
    asked = request(rpc, expires_at=rpc.now, target_user_ids=[one])
    given = answer(rpc, asked, one)
    assert [a.scored for r in closure(rpc).requests for a in r.answers] == [False]
    task = {"task_type": "process_community_response", "agent_type": "agent_of_humans"}
    columns = {"scheduled_for": rpc.now, "context_json": "{}", "user_id": one}
    insert(rpc, "agent_tasks", id=given, **task, **columns)
    for status, seen in (("pending", []), ("processing", []), ("failed", [True])):
        rpc.rows("update agent_tasks set status = %s where id = %s returning id", status, given)
        assert [a.scored for r in closure(rpc).requests for a in r.answers] == seen


def test_requests_that_wait_for_a_score_do_not_fill_the_batch_of_the_others(rpc: Rpc) -> None:
    (one,) = experts(rpc, 1)
    for n in range(15):
        asked = request(rpc, expires_at=rpc.now - timedelta(days=1, minutes=n))
        given = answer(rpc, asked, one)
        insert(
            rpc,
            "agent_tasks",
            id=given,
            task_type="process_community_response",
            agent_type="agent_of_humans",
            scheduled_for=rpc.now,
            context_json="{}",
        )
    due = request(rpc, expires_at=rpc.now)
    assert [r.id for r in closure(rpc).requests] == [due]


def test_the_oldest_ten_come_first_and_it_says_that_there_are_more(rpc: Rpc) -> None:
    asked = [request(rpc, expires_at=rpc.now - timedelta(minutes=n)) for n in range(11)]
    found = closure(rpc)
    assert [r.id for r in found.requests] == asked[:0:-1]
    assert found.more


def test_a_request_with_nothing_but_nulls_can_be_closed(rpc: Rpc) -> None:
    asked = request(
        rpc,
        requesting_user_id=None,
        request_summary=None,
        responses_count=None,
        target_user_ids=None,
        expires_at=None,
        created_at=None,
    )
    assert [r.id for r in closure(rpc).requests] == [asked]


def claim(rpc: Rpc, task_type: str, user_id: UUID | None, payload: str) -> dict[str, Any]:
    insert(
        rpc,
        "agent_tasks",
        task_type=task_type,
        agent_type="x",
        user_id=user_id,
        scheduled_for=rpc.now,
        context_json=payload,
    )
    (found,) = rpc.call("claim_tasks", token=uuid4(), limit=10)["tasks"]
    context: dict[str, Any] = found["context"]
    return context


@pytest.mark.parametrize(
    "payload",
    [
        "{}",
        "[]",
        "null",
        '"text"',
        '{"response_id": "x", "request_id": null}',
        '{"conversation_id": "x"}',
        f'{{"response_id": "{uuid4()}", "request_id": "{uuid4()}", "conversation_id": null}}',
    ],
)
def test_a_payload_that_names_nothing_gives_a_document_without_it(rpc: Rpc, payload: str) -> None:
    (one,) = experts(rpc, 1)
    found = Scoring.model_validate(claim(rpc, "process_community_response", one, payload))
    assert (found.response, found.request) == (None, None)
    rpc.rows("update agent_tasks set status = 'completed' returning id")
    read = Summary.model_validate(claim(rpc, "create_conversation_summary", one, payload))
    assert (read.conversation, read.messages) == (None, [])


def test_an_answer_is_given_with_its_own_request_only(rpc: Rpc) -> None:
    (one,) = experts(rpc, 1)
    asked, other = request(rpc), request(rpc)
    given = answer(rpc, asked, one, status=None, created_at=None)
    payload = f'{{"response_id": "{given}", "request_id": "%s"}}'
    found = Scoring.model_validate(claim(rpc, "process_community_response", one, payload % asked))
    assert found.response is not None
    assert (found.response.id, found.response.status) == (given, None)
    rpc.rows("update agent_tasks set status = 'completed' returning id")
    found = Scoring.model_validate(claim(rpc, "process_community_response", one, payload % other))
    assert found.response is None


def test_a_summary_reads_the_texts_after_the_last_one_of_its_own_member_only(rpc: Rpc) -> None:
    one, two = experts(rpc, 2)
    (conversation,) = rpc.rows("select id from conversations where user_id = %s", one)
    texts = [rpc.text("+12125559000", f"text {n}") for n in range(3)]
    assert {t["outcome"] for t in texts} == {"recorded"}
    payload = f'{{"conversation_id": "{conversation["id"]}"}}'
    read = Summary.model_validate(claim(rpc, "create_conversation_summary", one, payload))
    assert [m.content for m in read.messages] == ["hi", "text 0", "text 1", "text 2"]
    rpc.rows(
        "update conversations set last_summary_message_id = %s where user_id = %s returning id",
        read.messages[1].id,
        one,
    )
    rpc.rows("update agent_tasks set status = 'completed' returning id")
    read = Summary.model_validate(claim(rpc, "create_conversation_summary", one, payload))
    assert [m.content for m in read.messages] == ["text 1", "text 2"]
    rpc.rows("update agent_tasks set status = 'completed' returning id")
    read = Summary.model_validate(claim(rpc, "create_conversation_summary", two, payload))
    assert read.conversation is None


def test_a_task_is_read_again_by_its_holder_only_and_its_lease_begins_anew(rpc: Rpc) -> None:
    (one,) = experts(rpc, 1)
    task = insert(
        rpc,
        "agent_tasks",
        task_type="create_conversation_summary",
        agent_type="x",
        user_id=one,
        scheduled_for=rpc.now,
        context_json="{}",
    )
    token = uuid4()
    rpc.call("claim_tasks", token=token, limit=1, lease_s=600)
    rpc.pass_time(seconds=500)
    again = rpc.call("reread_task", task_id=task, token=token, lease_s=600)
    assert again["outcome"] == "claimed"
    assert again["task"]["context"]["messages"] == []
    rpc.pass_time(seconds=500)
    assert rpc.call("claim_tasks", token=uuid4(), limit=1)["tasks"] == []
    assert rpc.call("reread_task", task_id=task, token=uuid4())["outcome"] == "stale"
    rpc.call("fail_task", task_id=task, token=token, error="x", kind="permanent")
    assert rpc.call("reread_task", task_id=task, token=token)["outcome"] == "stale"
    assert rpc.call("reread_task", task_id=uuid4(), token=token)["outcome"] == "stale"


def test_the_same_scheduled_event_twice_is_one_row(rpc: Rpc) -> None:
    event = {
        "id": str(uuid4()),
        "event_type": "community.closure_due",
        "payload": {"scheduled_at": "2026-11-22T10:00:00Z"},
        "created_by": "cloud_scheduler",
    }
    outcomes = [rpc.call("record_event", event=event)["outcome"] for _ in range(2)]
    assert outcomes == ["recorded", "duplicate"]
    (row,) = rpc.rows("select * from events where id = %s", event["id"])
    assert (row["payload"], row["processed"]) == (event["payload"], False)


def attached(rpc: Rpc, first: UUID, **columns: Any) -> UUID:
    return request(rpc, context_id=first, context_type="community_request", **columns)


def test_a_request_attached_to_a_closed_one_is_closed_with_its_answers(rpc: Rpc) -> None:
    one, two = experts(rpc, 2)
    future = rpc.now + timedelta(days=1)
    first = request(rpc, expires_at=future, target_user_ids=[one], requesting_user_id=two)
    second = attached(rpc, first, expires_at=future, requesting_user_id=one)
    assert closure(rpc).requests == []
    answer(rpc, first, one, usefulness_score=7)
    (due,) = closure(rpc).requests
    assert (due.id, due.attached) == (first, True)
    rpc.rows("update community_requests set status = 'closed' where id = %s returning id", first)
    (due,) = closure(rpc).requests
    assert (due.id, due.attached, due.expired) == (second, False, False)
    assert [a.scored for a in due.answers] == [True]


def test_an_attached_request_shows_the_answers_it_waits_for_and_who_waits_with_it(rpc: Rpc) -> None:
    one, two = experts(rpc, 2)
    first = request(rpc, requesting_user_id=one, responses_count=2)
    attached(rpc, first, requesting_user_id=two, question="which?")

    def requests(user: UUID) -> list[tuple[int, bool]]:
        (row,) = rpc.rows("select turn_context(%s, '{}', %s) as found", user, rpc.now)
        return [(q["responses_count"], q["attached"]) for q in row["found"]["requests"]]

    rpc.rows("update users set verified = true returning id")
    assert requests(one) == [(2, True)]
    assert requests(two) == [(2, False)]


def test_an_answer_is_shown_with_the_question_that_its_member_asked(rpc: Rpc) -> None:
    one, two = experts(rpc, 2)
    first = request(rpc, requesting_user_id=one, question="the first?")
    attached(rpc, first, requesting_user_id=two, question="the second?")
    given = answer(rpc, first, experts(rpc, 3)[2])
    for user, asked in ((one, "the first?"), (two, "the second?")):
        insert(
            rpc,
            "user_priorities",
            user_id=user,
            item_type="community_response",
            item_id=given,
            priority_rank=1,
            status="active",
        )
        (row,) = rpc.rows("select member_items(%s, %s) as found", user, rpc.now)
        assert [item["request"]["question"] for item in row["found"]] == [asked]


def test_who_cancelled_waits_no_more(rpc: Rpc) -> None:
    one, two = experts(rpc, 2)
    first = request(rpc, requesting_user_id=one)
    attached(
        rpc,
        first,
        requesting_user_id=two,
        status="closed",
        closed_loop_message="Cancelled by the member who asked.",
    )
    (row,) = rpc.rows("select requesters_of(%s) as found", first)
    assert [requester["user_id"] for requester in row["found"]] == [str(one)]


def test_a_check_of_silence_knows_when_the_last_text_left(rpc: Rpc) -> None:
    (user,) = experts(rpc, 1)

    def found() -> Any:
        (row,) = rpc.rows(
            "select task_context(t, %s) as found from agent_tasks as t where t.user_id = %s",
            rpc.now,
            user,
        )
        return row["found"]["last_written_at"]

    insert(
        rpc,
        "agent_tasks",
        user_id=user,
        task_type="re_engagement_check",
        agent_type="concierge",
        scheduled_for=rpc.now,
        context_json="{}",
    )
    assert found() is None
    rpc.pass_time(hours=1)
    rpc.queue(user, "still there?", data={"kind": "proactive", "topic": "re_engagement"})
    rpc.claim_texts()
    assert found() is not None


def test_a_question_just_answered_stays_on_the_list_until_its_answer_is_scored(rpc: Rpc) -> None:
    one, two = experts(rpc, 2)
    asked = request(rpc, requesting_user_id=two)
    insert(
        rpc,
        "user_priorities",
        user_id=one,
        item_type="community_request",
        item_id=asked,
        priority_rank=1,
        status="actioned",
    )
    given = answer(rpc, asked, one, created_at=rpc.now)

    def found() -> list[Any]:
        (row,) = rpc.rows("select member_items(%s, %s) as found", one, rpc.now)
        return [(item["own_answer"] or {}).get("id") for item in row["found"]]

    rpc.pass_time(minutes=4)
    assert found() == [str(given)]
    rpc.pass_time(minutes=1)
    assert found() == []
    rpc.pass_time(minutes=-1)
    rpc.rows(
        "update community_responses set usefulness_score = 3 where id = %s returning id", given
    )
    assert found() == []


#: What a task that scores an answer names.
ANSWER = {"response_id": "id", "request_id": "request_id"}


def test_the_requesters_of_an_answer_are_found_without_reading_all_requests(rpc: Rpc) -> None:
    ada = rpc.member("+12125550101")
    rpc.connection.execute("reset role")
    rpc.rows(
        "insert into community_requests (requesting_agent_type, requesting_user_id, question)"
        " select 'concierge', %s, repeat('x', 200) from generate_series(1, 5000) returning id",
        ada,
    )
    rpc.connection.execute("analyze community_requests")
    (answered,) = rpc.rows(
        "insert into community_responses (request_id, user_id, response_text, verbatim_answer)"
        " select id, %s, 'x', 'x' from community_requests limit 1 returning id, request_id",
        ada,
    )
    add_task(
        rpc,
        ada,
        task_type="process_community_response",
        context_json=Jsonb({k: str(answered[v]) for k, v in ANSWER.items()}),
    )
    read = "select seq_scan from pg_stat_xact_user_tables where relname = 'community_requests'"
    before = rpc.rows(read)
    (task,) = rpc.call("claim_tasks", token=uuid4())["tasks"]
    assert task["context"]["requesters"]
    assert rpc.rows(read) == before
