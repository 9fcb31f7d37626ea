"""Carries a plan out over the real entry points: everything two or three times, out of order."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import Random
from urllib.parse import urlencode
from uuid import UUID

from psycopg.types.json import Jsonb

from local.relay import envelope
from tests.chaos.plan import Answer, Conversation, Plan, Poison, Request, Text
from tests.chaos.world import Answers, Later, World, tries
from tests.support.texting import Phone

#: How long a phone waits for an answer before it goes on, seconds.
_ANSWER_S = 4.0
#: Phones that talk at the same time.
_AT_ONCE = 32


@dataclass(frozen=True)
class Sent:
    """A text that Twilio has from a phone, under the MessageSid it has at Twilio.

    `began_s`: when it was first handed over; `recorded_s`: when the webhook first answered that it
    was recorded, infinity where nobody knows (time.monotonic() seconds).
    """

    sid: str
    number: str
    body: str
    began_s: float
    recorded_s: float = math.inf


class Drive:
    """Says, asks, answers and poisons what plans hold; remembers what was said.

    `counts`: what was repeated and what came of it.
    """

    def __init__(self, world: World) -> None:
        self.sent: list[Sent] = []
        self.counts: Counter[str] = Counter()
        self._world = world
        self._answers = Answers(world)
        self._later = Later(threads=16)
        self._began = 0.0
        self._counting = threading.Lock()

    def run(self, plan: Plan, halfway: Callable[[], None]) -> None:
        """Have everything said that is in the plan; `halfway` when half have talked.

        What is to be done later may outlast it, see `finish`.

        Raises:
            GivenUp: something did not work for longer than any outage lasts.
        """
        self._seed_members(plan)
        self._began = time.monotonic()
        for request in plan.requests:
            for answer in request.answers:
                self._at(answer.at_s, partial(self._answer, request, answer))
        for poison in plan.poison:
            self._at(poison.at_s, partial(self._poison, poison))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            talks = [
                pool.submit(self._talk, conversation)
                for conversation in sorted(plan.conversations, key=lambda c: c.begins_s)
            ]
            for nth, talk in enumerate(talks):
                talk.result()
                if nth == len(talks) // 2:
                    halfway()

    def finish(self) -> None:
        """Until everything is asked, answered, poisoned and repeated.

        Raises:
            GivenUp: something did not work for longer than any outage lasts.
        """
        self._later.wait_until_done()

    def repeat(self, sent: Iterable[Sent]) -> None:
        """Deliver the webhooks of these texts once more."""
        for text in sent:
            self._again(0.0, text, media=False)
        self._later.wait_until_done()

    def count(self, what: str) -> None:
        """One more of something, by whatever thread."""
        with self._counting:
            self.counts[what] += 1

    def push_again(self, delay_s: float, event_id: str) -> None:
        """Push an event to event_processor, once more, after a while."""
        self._later.add(delay_s, partial(self._push, event_id))

    def close(self) -> None:
        """End the threads."""
        self._later.close()
        self._answers.close()

    def _at(self, at_s: float, action: "partial[bool]") -> None:
        self._later.add(max(0.0, self._began + at_s - time.monotonic()), action)

    def _seed_members(self, plan: Plan) -> None:
        """Verified members, and the requests they asked, as operators and agents recorded them."""
        for conversation in plan.conversations:
            if conversation.verified:
                self._world.rows(
                    "insert into users (phone_number, verified, credit_balance,"
                    " quiet_hours_start, quiet_hours_end) values (%s, true, 0, '03:00', '03:00')"
                    " on conflict do nothing",
                    conversation.number,
                )
        for request in plan.requests:
            self._world.rows(
                "insert into community_requests (id, requesting_agent_type, requesting_user_id,"
                " question, request_summary, target_user_ids, created_at, expires_at)"
                " select %s, 'concierge', u.id, 'Which vendors work for this?', 'vendor choice',"
                " (select array_agg(e.id) from users as e where e.phone_number = any (%s)), %s, %s"
                " from users as u where u.phone_number = %s on conflict do nothing",
                request.id,
                list(request.experts),
                self._world.now(),
                self._world.now() + timedelta(seconds=request.expires_s),
                request.number,
            )

    def _talk(self, conversation: Conversation) -> None:
        time.sleep(max(0.0, self._began + conversation.begins_s - time.monotonic()))
        for nth, step in enumerate(conversation.steps):
            have = self._answers.of(conversation.number)
            if len(step.texts) == 1:
                self._send(conversation.number, step.texts[0])
            else:
                with ThreadPoolExecutor(len(step.texts)) as pool:
                    list(pool.map(partial(self._send, conversation.number), step.texts))
            if step.waits:
                self._answers.wait_for_more(conversation.number, have, _ANSWER_S)
            time.sleep(step.pause_s)
            if nth == conversation.grows_after:
                self._grow(conversation.number)

    def _send(self, number: str, text: Text) -> None:
        began_s = time.monotonic()
        if text.through_twilio:
            answer = self._world.http.post(
                f"{self._world.stack.description['twilio']['url']}/_sim/inbound",
                json={"from": number, "body": text.body},
            )
            sid = str(answer.raise_for_status().json()["sid"])
            self.sent.append(Sent(sid, number, text.body, began_s))
            return
        sent = Sent(text.sid, number, text.body, began_s)
        for delay_s in text.again_s:
            self._again(delay_s, sent, media=text.media)
        for _ in tries("the webhook"):
            if self._deliver(sent, media=text.media):
                break
        self.sent.append(replace(sent, recorded_s=time.monotonic()))

    def _again(self, delay_s: float, sent: Sent, *, media: bool) -> None:
        self.count("webhooks repeated")
        self._later.add(delay_s, partial(self._deliver, sent, media=media))

    def _deliver(self, sent: Sent, *, media: bool) -> bool:
        """Call the webhook as Twilio does; whether it took the text."""
        phone = Phone(self._world.stack, sent.number)
        fields = {"MessageSid": sent.sid, "SmsSid": sent.sid}
        if media:
            fields |= {"NumMedia": "1", "MediaContentType0": "image/jpeg"}
            fields["MediaUrl0"] = f"https://media.test/{sent.sid}"
        form = phone.form(sent.body, **fields)
        url = self._world.function("twilio_webhook")
        answer = self._world.post(
            url,
            content=urlencode(form),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": phone.sign(url, form),
            },
        )
        if answer is not None and answer.status_code not in (200, 503):
            raise AssertionError(f"the webhook answered {answer.status_code}")
        return answer is not None and answer.status_code == 200

    def _push(self, event_id: str) -> bool:
        answer = self._world.post(self._world.function("event_processor"), json=envelope(event_id))
        if answer is None or answer.status_code == 503:
            return False
        self.count(f"push again: {answer.raise_for_status().json()['outcome']}")
        return True

    def _grow(self, number: str) -> None:
        """As if the conversation were long, so that its next turn schedules a summary."""
        self._world.rows(
            "update conversations set messages_since_summary = messages_since_summary + 50"
            " where phone_number = %s",
            number,
        )

    def _answer(self, request: Request, answer: Answer) -> bool:
        """An expert answers, as the agents will record it (tests/support/community.py)."""
        now = self._world.now()
        self._world.transaction(
            (
                "with new as (insert into community_responses"
                " (id, request_id, user_id, response_text, verbatim_answer, created_at)"
                " select %s, %s, id, %s, %s, %s from users where phone_number = %s"
                " on conflict do nothing returning request_id)"
                " update community_requests as q set status = 'responses_received',"
                " responses_count = coalesce(q.responses_count, 0) + 1"
                " from new where q.id = new.request_id and q.status <> 'closed'",
                (answer.id, request.id, answer.words, answer.words, now, answer.number),
            ),
            (
                "insert into agent_tasks (id, task_type, agent_type, user_id, scheduled_for,"
                " context_json, created_at) select r.id, 'process_community_response',"
                " 'agent_of_humans', r.user_id, %s, jsonb_build_object('response_id', r.id,"
                " 'request_id', r.request_id), %s from community_responses as r"
                " where r.id = %s and %s on conflict do nothing",
                (now, now, answer.id, answer.has_task),
            ),
        )
        return True

    def _poison(self, poison: Poison) -> bool:
        """Insert a row nobody can handle, of the member if it is one's; later if none is there."""
        owner = None
        if poison.number is not None:
            found = self._world.rows("select id from users where phone_number = %s", poison.number)
            if not found:
                return False
            owner = found[0]["id"]
        now, payload = self._world.now(), Jsonb(poison.payload)
        if poison.table == "events":
            self._world.rows(
                "insert into events (id, event_type, aggregate_type, aggregate_id, payload,"
                " created_at) values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
                *(poison.id, poison.type, "user" if owner else "other", owner, payload, now),
            )
        else:
            self._world.rows(
                "insert into agent_tasks (id, task_type, agent_type, user_id, scheduled_for,"
                " context_json, created_at) values (%s, %s, 'concierge', %s, %s, %s, %s)"
                " on conflict do nothing",
                *(poison.id, poison.type, owner, now, payload, now),
            )
        return True


class Echo:
    """Pushes events again, some that do not exist, and calls schedules too often; until closed."""

    def __init__(self, world: World, drive: Drive, seed: int, over_s: float) -> None:
        """`over_s`: within how many seconds an event is pushed again."""
        self._world, self._drive, self._over_s = world, drive, over_s
        self._stopped = threading.Event()
        self._ticks = ThreadPoolExecutor(12, thread_name_prefix="tick")
        self._threads = [
            threading.Thread(target=target, args=(Random(f"{seed}:{target.__name__}"),))
            for target in (self._push_events, self._tick_schedules)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop, and wait for the calls under way."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._ticks.shutdown()

    def _push_events(self, chance: Random) -> None:
        since = self._world.now()
        seen: set[str] = set()
        while not self._stopped.wait(0.5):
            # Rows of one moment may become visible out of order: the last seconds are read twice.
            found = self._world.rows(
                "select id::text, created_at from events where created_at >= %s"
                " order by created_at limit 2000",
                since - timedelta(seconds=10),
            )
            for event in found:
                since = max(since, event["created_at"])
                if event["id"] not in seen:
                    seen.add(event["id"])
                    for _ in range(chance.choice([0, 1, 1, 2])):
                        self._drive.push_again(chance.uniform(0, self._over_s), event["id"])
            if chance.random() < 0.2:
                self._drive.push_again(0.0, str(UUID(int=chance.getrandbits(128), version=4)))

    def _tick_schedules(self, chance: Random) -> None:
        jobs: list[tuple[str, dict[str, object] | None]] = [
            ("event_sweeper", {"passes": 1}),
            ("message_orchestrator", None),
            ("task_processor", None),
            ("event_processor", {"event_type": "community.closure_due"}),
        ]
        while not self._stopped.wait(chance.uniform(0.2, 1.0)):
            function, body = chance.choice(jobs)
            scheduled_at = self._world.now().replace(microsecond=0).isoformat()
            for _ in range(chance.choice([1, 2, 3])):
                self._ticks.submit(self._tick, function, body, scheduled_at)

    def _tick(self, function: str, body: dict[str, object] | None, scheduled_at: str) -> None:
        headers = {"X-CloudScheduler": "true", "X-CloudScheduler-ScheduleTime": scheduled_at}
        answer = self._world.post(self._world.function(function), json=body, headers=headers)
        said = "no answer" if answer is None else str(answer.status_code)
        self._drive.count(f"tick of {function}: {said}")
