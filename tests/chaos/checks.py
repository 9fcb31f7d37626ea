"""What must hold when all is quiet again. Each check yields one line for each thing that is wrong;
the lines name ids, never what was said.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import permutations
from uuid import UUID

from lib.agents.judgement import REASONS
from lib.core.ids import derived_id, inbound_message_id
from lib.domain import messaging
from lib.domain.community import credits_for, is_late, payment_key
from lib.domain.priorities import SHOWINGS
from local.claude_simulator.background import answer as simulated
from tests.chaos.drive import Sent
from tests.chaos.evidence import Evidence, Row

#: sql/functions/gate_text.sql
NEWER = "newer text on the same topic"

#: What is always pending: the next look at a member, and the notice that follows in days.
FOR_LATER = ("re_engagement_check", "account_manager_review", "notify_expert_of_impact")

#: Of what in their payloads there is one event.
_ONE_EVENT_FOR = {
    "message.delivery_updated": ("sid", "status"),
    "community.closure_due": ("scheduled_at",),
}
#: Of these there is one task for each answer and member.
_ONE_TASK_FOR_AN_ANSWER = (
    "process_community_response",
    "community_response_available",
    "notify_expert_of_impact",
)
#: Each of these schedules the next; one of a member waits at most.
_CHAINS = ("account_manager_review", "re_engagement_check")

Check = Callable[[Evidence], Iterator[str]]

#: More rows than any unit of work of a turn makes.
_ORDINALS = 30


def all_problems(evidence: Evidence) -> dict[str, list[str]]:
    """What is wrong, by the name of the check that found it."""
    found = {check.__name__: list(check(evidence)) for check in CHECKS}
    return {name: problems for name, problems in found.items() if problems}


def every_text_is_recorded_once(evidence: Evidence) -> Iterator[str]:
    """One MessageSid, one message, of the member who sent it; and no message that nobody sent."""
    numbers = {user["id"]: user["number"] for user in evidence.users}
    rows = defaultdict(list)
    for message in evidence.messages:
        if message["direction"] == "inbound":
            rows[message["sid"]].append(message)
    for sent in evidence.sent:
        found = rows.pop(sent.sid, [])
        if len(found) != 1:
            yield f"text {sent.sid} has {len(found)} messages"
        elif numbers[found[0]["user_id"]] != sent.number:
            yield f"text {sent.sid} is another member's"
    yield from (f"message of text {sid}, which nobody sent" for sid in rows)


def every_member_and_conversation_exists_once(evidence: Evidence) -> Iterator[str]:
    """However many first texts came at once."""
    yield from (
        f"number of user {users[0]['id']} has {len(users)} users"
        for users in _by("number", evidence.users).values()
        if len(users) != 1
    )
    texted = {message["user_id"] for message in evidence.messages}
    conversations = _by("user_id", evidence.conversations)
    yield from (
        f"user {user_id} has {len(conversations[user_id])} conversations"
        for user_id in sorted(texted)
        if len(conversations[user_id]) != 1
    )


def every_text_is_one_finished_event(evidence: Evidence) -> Iterator[str]:
    """Each text makes one event, which is done; only one between STOP and START makes none."""
    events = {event["id"]: event for event in evidence.events}
    silent = _said_into_silence(evidence)
    expected = set()
    for sent in evidence.sent:
        event_id = _event_of(sent.sid)
        expected.add(event_id)
        keyword = messaging.keyword(sent.body)
        event = events.get(event_id)
        if event is None:
            if sent.sid not in silent:
                yield f"text {sent.sid} has no event"
            continue
        types = {"stop": "user.opted_out", "start": "user.opted_in"}
        wanted = types.get(keyword or "", "user.message.received")
        if event["event_type"] != wanted:
            yield f"event {event_id} is a {event['event_type']}, not a {wanted}"
        elif keyword is None and "done" not in (event["metadata"] or {}):
            yield f"event {event_id} is not done"
    poison = _poison(evidence, "events")
    yield from (
        f"event {event['id']} of a text that nobody sent"
        for event in evidence.events
        if event["event_type"] in ("user.message.received", "user.opted_out", "user.opted_in")
        and event["id"] not in expected | poison
    )


def who_opted_out_last_is_opted_out(evidence: Evidence) -> Iterator[str]:
    """An old STOP that comes again changes nothing after START."""
    last = {sent.number: messaging.keyword(sent.body) for sent in _keywords(evidence)}
    members = {user["number"]: user["id"] for user in evidence.users}
    status = {row["user_id"]: row["status"] for row in evidence.conversations}
    for number, keyword in last.items():
        wanted = "archived" if keyword == "stop" else "active"
        if status.get(members.get(number, "")) != wanted:
            yield f"conversation of user {members.get(number)} is not {wanted}"


def nothing_is_left_open(evidence: Evidence) -> Iterator[str]:
    """No event, task, text or request waits for anything any more."""
    yield from (f"event {e['id']} is open" for e in evidence.events if e["processed"] is not True)
    yield from (
        f"task {t['id']} is {t['status']}"
        for t in evidence.tasks
        if t["status"] not in ("completed", "failed") and not _is_for_later(t)
    )
    yield from (f"text {q['id']} is queued" for q in evidence.queue if q["status"] == "queued")
    yield from (
        f"request {r['id']} is {r['status']}" for r in evidence.requests if r["status"] != "closed"
    )


def _is_for_later(task: Row) -> bool:
    return task["status"] == "pending" and task.get("task_type") in FOR_LATER


def poison_and_nothing_else_is_dead(evidence: Evidence) -> Iterator[str]:
    """What nobody can handle is a dead letter; nothing else is, and nothing is missing."""
    dead = {e["id"] for e in evidence.events if "dead" in _object(e["metadata"])}
    failed = {t["id"] for t in evidence.tasks if t["status"] == "failed"}
    for what, table, given_up in (("event", "events", dead), ("task", "agent_tasks", failed)):
        poison = _poison(evidence, table)
        yield from (f"{what} {id_} is dead and no poison" for id_ in sorted(given_up - poison))
        yield from (f"{what} {id_} is poison and not dead" for id_ in sorted(poison - given_up))


def nothing_failed_by_our_own_fault(evidence: Evidence) -> Iterator[str]:
    """Whatever broke was a process, the database, Claude or Twilio: never a handler."""
    poison = _poison(evidence, "events")
    yield from (
        f"event {e['id']}: {_object(e['metadata'])['error']}"
        for e in evidence.events
        if "error" in _object(e["metadata"]) and e["id"] not in poison
    )


def every_turn_is_answered_once(evidence: Evidence) -> Iterator[str]:
    """One unit of reply for each turn that was applied, and no reply without a turn."""
    turns = _turns(evidence)
    source = {id_: token for token, events in turns.items() for id_ in _rows_of(events)}
    units: dict[str, set[str]] = defaultdict(set)
    for row in evidence.queue:
        if _object(row["message_data"]).get("kind") == "reply":
            if row["id"] in source:
                units[source[row["id"]]].add(row["unit"])
            else:
                yield f"text {row['id']} answers no turn"
    for token, events in turns.items():
        skipped = events[0]["metadata"]["done"]["result"] == "opted out"
        if len(units[token]) != (0 if skipped else 1):
            yield f"turn {token} of event {events[0]['id']} has {len(units[token])} answers"


def every_sent_text_is_at_twilio_once(evidence: Evidence) -> Iterator[str]:
    """Each row that is *sent* was accepted once, under the SID recorded; any other row never."""
    accepted = _by("row", evidence.at_twilio)
    messages = {message["id"]: message for message in evidence.messages}
    opting = _opting(evidence)
    numbers = {user["id"]: user["number"] for user in evidence.users}
    for row in evidence.queue:
        at_twilio = accepted.pop(row["id"], [])
        if len(at_twilio) != (row["status"] == "sent"):
            yield f"text {row['id']} is {row['status']} and {len(at_twilio)} times at Twilio"
        elif row["status"] == "sent" and (
            row["id"] not in messages or messages[row["id"]]["sid"] != at_twilio[0]["sid"]
        ):
            yield f"text {row['id']} has another SID than at Twilio"
        elif row["status"] == "sent" and at_twilio[0]["to"] != numbers[row["user_id"]]:
            yield f"text {row['id']} went to somebody else"
        if row["status"] == "failed":
            yield f"text {row['id']} failed"
        opted_out = row["superseded_reason"] == "opted out" and numbers[row["user_id"]] in opting
        if row["status"] == "superseded" and not opted_out and not _is_judged_away(row):
            yield f"text {row['id']} is superseded: {row['superseded_reason']}"
    yield from (f"text {row or '(none)'} at Twilio has no row" for row in accepted)
    rows = {row["id"] for row in evidence.queue}
    yield from (
        f"message {message['id']} to a member has no row"
        for message in evidence.messages
        if message["direction"] == "outbound" and message["id"] not in rows
    )


def _is_judged_away(text: Row) -> bool:
    """Whether the agent would not say it any more, since the member has written meanwhile, or says
    the same in a newer text."""
    newer = text["superseded_reason"] == NEWER and text["superseded_by_message_id"] is not None
    return (
        text["status"] == "superseded"
        and _object(text["message_data"]).get("kind") == "proactive"
        and (newer or text["superseded_reason"] in REASONS.values())
    )


def every_message_is_counted_once(evidence: Evidence) -> Iterator[str]:
    """Of a conversation without a summary: as many messages as were recorded with a SID."""
    counts = Counter(m["conversation_id"] for m in evidence.messages if m["sid"] is not None)
    grown = {c.number for c in evidence.plan.conversations if c.grows_after is not None}
    numbers = {user["id"]: user["number"] for user in evidence.users}
    for conversation in evidence.conversations:
        if numbers[conversation["user_id"]] not in grown:
            counted = conversation["messages_since_summary"]
            if counted != counts[conversation["id"]]:
                yield (
                    f"conversation {conversation['id']} counts {counted} messages"
                    f" of {counts[conversation['id']]}"
                )


def every_long_conversation_is_summarised(evidence: Evidence) -> Iterator[str]:
    """Up to a message that exists."""
    numbers = {user["id"]: user["number"] for user in evidence.users}
    messages = {message["id"] for message in evidence.messages}
    grown = {c.number for c in evidence.plan.conversations if c.grows_after is not None}
    for conversation in evidence.conversations:
        last = conversation["last_summary_message_id"]
        if numbers[conversation["user_id"]] in grown and not conversation["summarised"]:
            yield f"conversation {conversation['id']} has no summary"
        if last is not None and last not in messages:
            yield f"conversation {conversation['id']} is summarised up to message {last}, now gone"


def answers_are_scored_and_paid_once(evidence: Evidence) -> Iterator[str]:
    """As the Claude simulator scores them; by one movement for each answer that earns something."""
    closed_at = {request["id"]: request["closed_loop_at"] for request in evidence.requests}
    movements = _by("idempotency_key", evidence.ledger)
    planned = {str(a.id): a for request in evidence.plan.requests for a in request.answers}
    found = {response["id"]: response for response in evidence.responses}
    yield from (f"answer {id_} is missing" for id_ in sorted(planned.keys() - found.keys()))
    for response in evidence.responses:
        late = is_late(response["created_at"], closed_at[response["request_id"]])
        if late and not planned[response["id"]].has_task:
            continue  # nobody scores an answer to what was closed before
        score = _score(response["verbatim_answer"])
        earned = 0 if late else credits_for(score)
        if response["usefulness_score"] != score:
            yield f"answer {response['id']} scored {response['usefulness_score']}, not {score}"
        if (response["credits_awarded"] or 0) != earned:
            yield f"answer {response['id']} earned {response['credits_awarded']}, not {earned}"
        paid = [
            (movement["user_id"], movement["amount"])
            for movement in movements.pop(payment_key(response["id"]), [])
        ]
        if paid != ([(response["user_id"], earned)] if earned else []):
            yield f"answer {response['id']} was paid by {len(paid)} movements, not by what is due"
    yield from (f"movement {key} pays for nothing" for key in movements)


def every_scored_answer_is_followed_up_once(evidence: Evidence) -> Iterator[str]:
    """By the task that scored it, by one for each who asked, and by the expert's notice."""
    tasks = _by_answer(evidence.tasks)
    for response in evidence.responses:
        if response["usefulness_score"] is None:
            continue
        made = tasks[response["id"]]
        for task_type in ("process_community_response", "notify_expert_of_impact"):
            if made[task_type] != 1:
                yield f"answer {response['id']} has {made[task_type]} tasks {task_type}"
        if not made["community_response_available"]:
            yield f"answer {response['id']} was made known to nobody"


def nothing_is_recorded_or_scheduled_twice(evidence: Evidence) -> Iterator[str]:
    """One event for each receipt and each tick of a schedule, one task for each thing to be done,
    and one next look at a member."""
    poison = _poison(evidence, "events") | _poison(evidence, "agent_tasks")
    made: Counter[str] = Counter()
    for event in evidence.events:
        keys = _ONE_EVENT_FOR.get(event["event_type"])
        if keys and event["id"] not in poison:
            payload = _object(event["payload"])
            # A tick that one event cannot do all of goes on with another, which is about the first.
            of = [event["aggregate_id"], *(payload.get(key) for key in keys)]
            made[f"event {event['event_type']} of {of}"] += 1
    for task in evidence.tasks:
        about = _object(task.get("context_json"))
        if task["id"] in poison:
            continue
        if task.get("task_type") in _ONE_TASK_FOR_AN_ANSWER:
            answer = about.get("response_id")
            made[f"task {task['task_type']} of {answer} for user {task['user_id']}"] += 1
        elif task.get("task_type") in _CHAINS and task["status"] == "pending":
            made[f"pending task {task['task_type']} of user {task['user_id']}"] += 1
    yield from (f"{what}: {times} times" for what, times in made.items() if times > 1)


def every_balance_is_the_ledgers_sum(evidence: Evidence) -> Iterator[str]:
    """In the ledger, the cached column and the view."""
    sums: Counter[str] = Counter()
    for movement in evidence.ledger:
        sums[movement["user_id"]] += movement["amount"]
    view = {row["user_id"]: row["balance"] for row in evidence.balances}
    for user in evidence.users:
        wherever = (sums[user["id"]], user["credit_balance"] or 0, view.get(user["id"], 0) or 0)
        if len(set(wherever)) != 1:
            yield f"user {user['id']} has {wherever} by ledger, column and view"


def every_request_is_closed_and_told_once(evidence: Evidence) -> Iterator[str]:
    """One text to its requester, one event; and no other such text but what the account manager
    brings up, which is shown twice at most."""
    told = _by("topic", [_object(q["message_data"]) | q for q in evidence.queue])
    told.pop(None, None)
    closed = _by(
        "aggregate_id",
        [e for e in evidence.events if e["event_type"] == "community.request_closed"],
    )
    for request in evidence.requests:
        texts = told.pop(f"community_request:{request['id']}", [])
        owners = [t["user_id"] for t in texts if t["status"] == "sent" or _is_judged_away(t)]
        if owners != [request["requesting_user_id"]]:
            yield f"request {request['id']} was told {len(owners)} times, in {len(texts)} texts"
        if len(closed[request["id"]]) != 1:
            yield f"request {request['id']} has {len(closed[request['id']])} closing events"
    for topic, texts in told.items():
        shown = sum(text["status"] == "sent" for text in texts)
        if topic is None or topic == "re_engagement":
            continue
        if not topic.startswith("priority:"):
            yield f"a text on topic {topic}, which is no request"
        elif shown > SHOWINGS:
            yield f"{topic} was shown {shown} times"


def answers_follow_the_texts(evidence: Evidence) -> Iterator[str]:
    """A text that was recorded before another began is decided with it or before it, unless it is
    one that others go ahead of; and answers leave in the order in which they were decided."""
    reply = {row["id"]: row for row in evidence.queue}
    decided: dict[str, Row] = {}
    for events in _turns(evidence).values():
        row = next((reply[id_] for id_ in _rows_of(events) if id_ in reply), None)
        if row is not None:
            decided |= {event["id"]: row for event in events}
    # From the third attempt on a text is claimed alone, and others go ahead while it waits.
    passed = {e["id"] for e in evidence.events if _object(e["metadata"]).get("attempt", 1) > 2}
    for texts in _by_number(evidence.sent).values():
        for before, after in permutations(texts, 2):
            first, second = (decided.get(_event_of(text.sid)) for text in (before, after))
            in_turn = before.recorded_s < after.began_s and _event_of(before.sid) not in passed
            if in_turn and first and second and first["created_at"] > second["created_at"]:
                yield f"text {before.sid} was decided after text {after.sid}"
    left = {text["row"]: n for n, text in enumerate(evidence.at_twilio)}
    replies = {row["id"]: row for row in decided.values()}.values()
    for user_id, rows in _by("user_id", replies).items():
        # What Twilio did not take at once waits, and others may leave before it.
        at_once = [row for row in rows if _object(row["message_data"]).get("attempts") == 1]
        at_once.sort(key=lambda row: row["created_at"])
        leaving = [left[row["id"]] for row in at_once if row["id"] in left]
        if leaving != sorted(leaving):
            yield f"answers to user {user_id} left out of order"


def no_log_holds_a_text_or_a_number(evidence: Evidence) -> Iterator[str]:
    """Whatever crashed or failed."""
    for process, count in evidence.logged.items():
        yield f"{process} logged {count}"


CHECKS: tuple[Check, ...] = (
    every_text_is_recorded_once,
    every_member_and_conversation_exists_once,
    every_text_is_one_finished_event,
    who_opted_out_last_is_opted_out,
    nothing_is_left_open,
    poison_and_nothing_else_is_dead,
    nothing_failed_by_our_own_fault,
    every_turn_is_answered_once,
    every_sent_text_is_at_twilio_once,
    every_message_is_counted_once,
    every_long_conversation_is_summarised,
    answers_are_scored_and_paid_once,
    every_scored_answer_is_followed_up_once,
    nothing_is_recorded_or_scheduled_twice,
    every_balance_is_the_ledgers_sum,
    every_request_is_closed_and_told_once,
    answers_follow_the_texts,
    no_log_holds_a_text_or_a_number,
)


def _by(key: str, rows: Iterable[Row]) -> "defaultdict[str | None, list[Row]]":
    grouped: defaultdict[str | None, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row.get(key)].append(row)
    return grouped


def _object(value: object) -> Row:
    return value if isinstance(value, dict) else {}


def _event_of(sid: str) -> str:
    return str(derived_id(inbound_message_id(sid), "event"))


def _poison(evidence: Evidence, table: str) -> set[str]:
    return {str(poison.id) for poison in evidence.plan.poison if poison.table == table}


def _opting(evidence: Evidence) -> set[str]:
    return {c.number for c in evidence.plan.conversations if c.kind == "opting"}


def _said_into_silence(evidence: Evidence) -> set[str]:
    """The SIDs of the texts that were said between a STOP and the next START."""
    found = set()
    for texts in _by_number(evidence.sent).values():
        is_stopped = False
        for text in sorted(texts, key=lambda text: text.began_s):
            keyword = messaging.keyword(text.body)
            if keyword in ("stop", "start"):
                is_stopped = keyword == "stop"
            elif is_stopped:
                found.add(text.sid)
    return found


def _by_answer(tasks: Iterable[Row]) -> "defaultdict[str, Counter[str]]":
    """How many tasks of each type there are about each answer."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for task in tasks:
        about = _object(task.get("context_json"))
        # The notice that something came of an answer is one more, and not every answer's.
        if "response_id" in about and about.get("reported") is not True:
            found[str(about["response_id"])][str(task.get("task_type"))] += 1
    return found


def _by_number(sent: Iterable[Sent]) -> dict[str, list[Sent]]:
    grouped: dict[str, list[Sent]] = {}
    for text in sent:
        grouped.setdefault(text.number, []).append(text)
    return grouped


def _keywords(evidence: Evidence) -> list[Sent]:
    """STOPs and STARTs as they were said: one after another by each phone."""
    return [sent for sent in evidence.sent if messaging.keyword(sent.body) in ("stop", "start")]


def _in_order(events: Iterable[Row]) -> list[Row]:
    return sorted(
        (e for e in events if e["event_type"] == "user.message.received"),
        key=lambda e: (e["created_at"], e["id"]),
    )


def _turns(evidence: Evidence) -> dict[str, list[Row]]:
    """Events that were done together, by the token of their claim, oldest first."""
    turns: dict[str, list[Row]] = {}
    for event in _in_order(evidence.events):
        if "done" in _object(event["metadata"]):
            turns.setdefault(event["metadata"]["done"]["token"], []).append(event)
    return turns


def _rows_of(events: Iterable[Row]) -> Iterator[str]:
    """The ids of the rows that a turn of these events may have made."""
    for event in events:
        for n in range(1, _ORDINALS + 1):
            yield str(derived_id(UUID(event["id"]), n))


def _score(words: str) -> int:
    said = simulated(
        {
            "system": "You rate answers for Yachtparty",
            "messages": [{"content": f"<answer>{words}</answer>"}],
        }
    )
    return int(said or -1)
