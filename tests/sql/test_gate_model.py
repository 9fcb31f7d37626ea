"""Any history of texts, answers, opt-outs and orchestrators, against a model in plain Python.

The model (tests/support/discipline.py) knows behaviour.md and protocol.md, and nothing of SQL.
After each step every row of the queue and every budget must be as the model has it: sent, held (by
which rule, until when), superseded (by what, why) or failed. What must hold whatever the rules say
in detail is checked beside it: in `check` and, from a log of what left, in `_leaves`.

A history that fails is shown without the steps that do not matter. Other histories, and more of
them: HYPOTHESIS_PROFILE=explore.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, TypeVar
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.claims import claim, commit
from tests.support.discipline import (
    HOUR,
    REPLY_IS_FRESH,
    Budget,
    Discipline,
    Member,
    Text,
    instants,
    window,
)
from tests.support.rpc import Rpc

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)

#: A number with the zone of New York, of Kolkata, and of several.
PHONES = ("+12125550101", "+919812345678", "+18005550102")
ZONES = (
    None, None, "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/London",
    "Pacific/Kiritimati", "Nowhere/Land", "",
)  # fmt: skip
WINDOWS: tuple[tuple[str | None, str | None], ...] = (
    (None, None), ("22:00", None), ("22:00", "08:00"), ("02:30", "01:30"), ("09:00", "17:00"),
    ("12:00", "12:00"), ("00:00", "00:30"), ("22:00", "02:15"),
)  # fmt: skip
#: A Monday noon in New York; nights in which clocks change somewhere; a new year.
BEGINNINGS = tuple(
    datetime(*begun, tzinfo=UTC)
    for begun in (
        (2026, 11, 23, 17, 0), (2026, 3, 8, 5, 45), (2026, 11, 1, 4, 45), (2026, 3, 29, 0, 15),
        (2026, 10, 3, 14, 50), (2026, 4, 4, 13, 50), (2026, 12, 31, 23, 30),
    )
)  # fmt: skip

#: HYPOTHESIS_PROFILE=explore
EXPLORED = settings.default is not None and settings.default.max_examples > 100

T = TypeVar("T")
Steps = list[tuple[str, dict[str, Any]]]
F = TypeVar("F", bound=Callable[..., None])

#: Something drawn by chance.
Choice = Callable[[Random], Any]


def of(*values: Any) -> Choice:
    """One of these."""
    return lambda draw: draw.choice(values)


LIMITS = of(None, None, 2, 3, 5, 1, 0)
members = of(*range(len(PHONES)))
topics = of(None, None, "a", "a", "b")
priorities = of("high", "medium", "low")
#: Which of what there is, read modulo how many there are; often the latest.
which = of(0, 0, 0, 1, 1, 2, 3, 5, 8, 13)


@dataclass
class Order:
    """A text to be queued, or so many parts of a sequence of so many."""

    kind: str | None
    topic: str | None
    priority: str | None
    due_in_s: int
    parts: tuple[int, int | None]
    unready: bool


def an_order(draw: Random) -> Order:
    """Any text, proactive ones above all."""
    return Order(
        kind=draw.choice([None, "proactive", "proactive", "proactive", "reply", "system"]),
        topic=topics(draw),
        priority=of("high", "medium", "low", None)(draw),
        due_in_s=draw.choice([0, 0, 0, 0, -3600, -1, 45, 3600]),
        parts=draw.choice([(1, None)] * 5 + [(2, 2), (3, 3), (2, 3), (1, 2)]),
        unready=draw.choice([False] * 5 + [True]),
    )


def a_beginning(draw: Random) -> dict[str, Any]:
    """When it begins, where members live, when they sleep and how many texts they want."""
    return {
        "begun": draw.choice(BEGINNINGS),
        "lives": [(draw.choice(ZONES), draw.choice(WINDOWS)) for _ in PHONES],
        "limits": [
            draw.choice(
                [None, (LIMITS(draw), LIMITS(draw), draw.choice([True, True, None, False]))]
            )
            for _ in PHONES
        ],
    }


@dataclass
class Left:
    """One text that was handed out: what is known at that moment without asking the gate."""

    text: Text
    at: datetime
    local_date: date
    #: Neither exempt nor a later part of what has begun.
    budgeted: bool


STEPS: dict[str, dict[str, Choice]] = {}
WEIGHTED: list[str] = []


def step(weight: int, **arguments: Choice) -> Callable[[F], F]:
    """A method that is one thing that may happen, and how often it does."""

    def register(method: F) -> F:
        STEPS[method.__name__] = arguments
        WEIGHTED.extend([method.__name__] * weight)
        return method

    return register


class History:
    """The database beside the model."""

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc
        self.world = Discipline()
        self.ids = 0
        #: Every text and token ever handed out, so that some outcomes come too late.
        self.held: list[tuple[Text, UUID]] = []
        #: SIDs of Twilio's that a text of ours has.
        self.taken: list[str] = []
        #: Open events of members' texts, to be answered.
        self.unanswered: list[tuple[Member, str]] = []
        self.left: list[Left] = []
        self.ended: dict[UUID, str] = {}

    def new_id(self) -> UUID:
        """The same ids every time, in no order."""
        self.ids += 1
        return uuid5(UUID(int=0), str(self.ids))

    @property
    def now(self) -> datetime:
        return self.rpc.now

    def begin(
        self,
        begun: datetime,
        lives: list[tuple[str | None, tuple[str | None, str | None]]],
        limits: list[tuple[int | None, int | None, bool | None] | None],
    ) -> None:
        """Members who wrote first a day ago."""
        self.rpc.now = begun - DAY
        for phone, (zone, quiet), limit in zip(PHONES, lives, limits, strict=True):
            member = Member(self.rpc.member(phone), phone, last_inbound=self.now)
            member.last_inbound = self.now
            self.world.members.append(member)
            self._live(member, zone, quiet)
            if limit:
                member.budgets[date(2025, 1, 1)] = Budget(0, *limit)
                self.rpc.rows(
                    "insert into user_message_budget (user_id, date, messages_sent, daily_limit,"
                    " hourly_limit, quiet_hours_enabled) values (%s, '2025-01-01', 0, %s, %s, %s)"
                    " returning id",
                    member.id,
                    *limit,
                )
        self.rpc.now = begun

    def _live(self, member: Member, zone: str | None, quiet: tuple[str | None, str | None]) -> None:
        if (member.timezone, member.quiet_start, member.quiet_end) != (zone, *quiet):
            self.world.settings_changed(member)
        member.timezone, (member.quiet_start, member.quiet_end) = zone, quiet
        self.rpc.rows(
            "update users set timezone = %s, quiet_hours_start = %s, quiet_hours_end = %s"
            " where id = %s returning id",
            zone,
            *quiet,
            member.id,
        )

    # What is queued

    @step(
        8, member=members, orders=lambda draw: [an_order(draw) for _ in range(draw.randint(1, 4))]
    )
    def queue(self, member: int, orders: list[Order]) -> None:
        """Somebody inserts texts, or some or all parts of a sequence."""
        for order in orders:
            count, total = order.parts
            sequence = self.new_id() if total else None
            for position in range(1, count + 1):
                self._insert(
                    Text(
                        self.new_id(), self.world.members[member],
                        due=self.now + timedelta(seconds=order.due_in_s), created=self.now,
                        kind=order.kind, topic=order.topic, priority=order.priority,
                        unready=order.unready and position == 1, sequence=sequence,
                        position=position if total else None, total=total,
                    )
                )  # fmt: skip
            self.rpc.pass_time(seconds=1)

    @step(2, number=which)
    def complete(self, number: int) -> None:
        """The next part of a sequence comes."""
        if not (text := one(self.short, number)):
            return
        self._insert(
            Text(
                self.new_id(), text.member, due=self.now, created=self.now, kind=text.kind,
                topic=text.topic, priority=text.priority, sequence=text.sequence,
                position=len(self.world.parts(text)) + 1, total=text.total,
            )
        )  # fmt: skip

    @property
    def short(self) -> list[Text]:
        """Texts of sequences of which parts are missing."""
        texts = self.world.texts
        return [t for t in texts if t.is_first and len(self.world.parts(t)) < (t.total or 1)]

    def _insert(self, text: Text) -> None:
        data = {"kind": text.kind, "topic": text.topic}
        self.rpc.queue(
            text.member.id,
            id=text.id,
            data={key: value for key, value in data.items() if value},
            due=text.due,
            priority=text.priority,
            requires_fresh_context=text.unready,
            sequence_id=text.sequence,
            sequence_position=text.position,
            sequence_total=text.total,
        )
        self.world.texts.append(text)

    @step(2, number=which)
    def judge(self, number: int) -> None:
        """The agent lets a text go as it is."""
        if not (text := one(self.unready, number)):
            return
        text.unready = False
        self.rpc.rows(
            "update message_queue set requires_fresh_context = false where id = %s returning id",
            text.id,
        )

    @property
    def unready(self) -> list[Text]:
        """Texts that the agent has to judge first."""
        return [t for t in self.world.texts if t.unready and t.waits]

    # What the member does

    def _text(self, member: int, **fields: Any) -> dict[str, Any]:
        person = self.world.members[member]
        ids = {name: str(self.new_id()) for name in ("message_id", "event_id", "reply_id")}
        answer = self.rpc.text(person.number, **ids | fields)
        self.world.inbound(person, self.now, stop=fields.get("keyword") == "stop")
        return ids | answer

    @step(3, member=members)
    def text(self, member: int) -> None:
        """An ordinary text."""
        answer = self._text(member)
        assert (answer["event_id"] is None) is self.world.members[member].opted_out
        if answer["event_id"]:
            self.unanswered.append((self.world.members[member], answer["event_id"]))

    @step(4, number=which, count=of(1, 2, 3), topic=topics, priority=priorities)
    def answer(self, number: int, count: int, topic: str | None, priority: Any) -> None:
        """The agent answers one of their texts."""
        if not (found := one(self.unanswered, number)):
            return
        self.unanswered.remove(found)
        member, event = found
        claimed = claim(self.rpc, event, lease_s=1)
        self.rpc.pass_time(seconds=1)
        self.unanswered = [u for u in self.unanswered if u[1] not in claimed.get("events", [])]
        if claimed["outcome"] != "claimed":
            return
        said: list[UUID] = []
        answer = commit(
            self.rpc,
            claimed,
            lambda unit: said.extend(
                unit.say(member.id, ["words"] * count, kind="reply", topic=topic, priority=priority)
            ),
            final=True,
        )
        assert answer["outcome"] == "applied"
        sequence = self.rpc.queued(said[0])["sequence_id"]
        for position, text in enumerate(said, 1):
            self.world.commit(
                Text(
                    text, member, due=self.now, created=self.now, kind="reply", topic=topic,
                    priority=priority, sequence=sequence,
                    position=position if sequence else None, total=count if sequence else None,
                )
            )  # fmt: skip

    @step(2, member=members, confirmed=of(True, False))
    def stop(self, member: int, confirmed: bool) -> None:
        """STOP."""
        self._keyword(member, "STOP", confirmed)

    @step(4, confirmed=of(True, False))
    def start(self, confirmed: bool) -> None:
        """START, of who has opted out."""
        gone = [nth for nth, member in enumerate(self.world.members) if member.opted_out]
        if gone:
            self._keyword(gone[0], "START", confirmed)

    def _keyword(self, member: int, word: str, confirmed: bool) -> None:
        person = self.world.members[member]
        takes_effect = person.opted_out is (word == "START")
        reply = "words" if confirmed else None
        answer = self._text(member, body=word, word=word, keyword=word.lower(), reply=reply)
        assert (answer["outcome"] in ("opted_out", "opted_in")) is takes_effect
        if takes_effect and word == "STOP":
            self.world.opt_out(person)
        elif takes_effect:
            self.world.opt_in(person)
        if takes_effect and confirmed:
            self.world.texts.append(
                Text(
                    UUID(answer["reply_id"]), person, due=self.now, created=self.now,
                    kind="system", priority="high", confirmation=True,
                )
            )  # fmt: skip

    @step(1, member=members, zone=of(*ZONES), quiet=of(*WINDOWS))
    def move(self, member: int, zone: str | None, quiet: tuple[str | None, str | None]) -> None:
        """They live elsewhere, or sleep at other hours."""
        self._live(self.world.members[member], zone, quiet)

    @step(1, member=members, daily=LIMITS, hourly=LIMITS, quiet=of(True, None, False))
    def limit(self, member: int, daily: int | None, hourly: int | None, quiet: bool | None) -> None:
        """They want more or fewer texts."""
        person = self.world.members[member]
        for budget in person.budgets.values():
            if budget.limits != Budget(0, daily, hourly, quiet).limits:
                self.world.settings_changed(person)
            budget.daily, budget.hourly, budget.quiet = daily, hourly, quiet
        self.rpc.rows(
            "update user_message_budget set daily_limit = %s, hourly_limit = %s,"
            " quiet_hours_enabled = %s where user_id = %s returning id",
            daily,
            hourly,
            quiet,
            person.id,
        )

    # What orchestrators do

    @step(5, limit=of(1, 2, 20, 20, 20))
    def claim_some(self, limit: int) -> None:
        """An orchestrator takes what is due."""
        self._claim(self.new_id(), None, limit)

    @step(4, member=members)
    def claim_one(self, member: int) -> None:
        """A processor takes what is due for the member it works for."""
        self._claim(self.new_id(), self.world.members[member], 20)

    @step(3, number=which)
    def claim_again(self, number: int) -> None:
        """A claim is repeated."""
        if held := one(self.held, number):
            self._claim(held[1], None, 20)

    def _claim(self, token: UUID, member: Member | None, limit: int) -> list[Text]:
        user = member.id if member else None
        answer = self.rpc.call("claim_texts", token=token, user_id=user, limit=limit)
        before = {t.id for t in self.world.texts if t.in_flight}
        sends = self.world.claim(token, self.now, member, limit)
        assert [send["id"] for send in answer["sends"]] == [str(text.id) for text in sends]
        for text in sends:
            if text.id not in before:
                self._leaves(text)
                self.held.append((text, token))
        return sends

    @step(
        8,
        number=which,
        outcome=of(*["accepted"] * 3, *["released"] * 3, "ambiguous", "refused", "21610"),
    )
    def settle(self, number: int, outcome: str) -> None:
        """What became of a text that is in flight."""
        if text := one([t for t in self.world.texts if t.in_flight], number):
            assert text.token
            self._settle(text, text.token, outcome)

    @step(3, number=which, outcome=of("accepted", "released", "refused"))
    def settle_late(self, number: int, outcome: str) -> None:
        """The same of any text by somebody who no longer holds it, if there is one."""
        lost = [held for held in self.held if held[0].in_flight and held[0].token != held[1]]
        if held := one(lost or self.held, number):
            self._settle(*held, outcome)

    @step(8, after_s=of(0, 0, 5, 300, 3600, 14_400), rounds=of(1, 2, 3, 4, 5, 6))
    def go_on(self, after_s: int, rounds: int) -> None:
        """An orchestrator without any trouble."""
        self.rpc.pass_time(seconds=after_s)
        for _ in range(rounds):
            for text in [t for t in self.world.texts if t.in_flight]:
                assert text.token
                self._settle(text, text.token, "accepted")
            if not self._claim(self.new_id(), None, 20):
                break

    def _settle(self, text: Text, token: UUID, outcome: str) -> None:
        result: dict[str, Any] = {"id": str(text.id), "user_id": str(text.member.id)}
        if outcome == "accepted":
            result |= {"outcome": outcome, "sid": f"SM{self.new_id().hex}", "status": "queued"}
            result["receipt_key"] = str(self.new_id())
            if text.status == "queued":
                self.taken.append(result["sid"])
            self.world.accepted(text, self.now)
        elif outcome == "ambiguous":
            result |= {"outcome": outcome, "code": "timeout"}
        elif outcome == "released":
            result |= {"outcome": outcome, "code": "429"}
            self._comes_back(text, token)
            self.world.released(text, token, "429", self.now)
        else:
            code = "30007" if outcome == "refused" else outcome
            result |= {"outcome": "refused", "code": code, "event_id": str(self.new_id())}
            self.world.refused(text, token, code)
        self.rpc.call("record_sends", token=token, results=[result])

    @step(1, number=which)
    def callback(self, number: int) -> None:
        """A receipt proves that a text was taken, perhaps before anybody else says so."""
        if not (held := one(self.held, number)):
            return
        text, _ = held
        receipt = {"message_id": str(text.id), "sid": f"SM{self.new_id().hex}", "status": "sent"}
        ids = {name: str(self.new_id()) for name in ("event_id", "receipt_key")}
        self.rpc.call("record_delivery", receipt=receipt | ids)
        self.world.accepted(text, self.now)

    @step(
        6,
        after_s=of(0, 59, 60, 60, 120),
        found=of("", "", "listed", "late"),
    )
    def reconcile(self, after_s: int, found: str) -> None:
        """The sweeper looks at Twilio for texts whose end nobody knows."""
        self.rpc.pass_time(seconds=after_s)
        token = self.new_id()
        answer = self.rpc.call("claim_stuck_sends", token=token)
        stuck = self.world.look(token, self.now)
        assert {send["id"] for send in answer["sends"]} == {str(text.id) for text in stuck}
        for text in stuck:
            lost = next(held for held in reversed(self.held) if held[0] is text)
            if found == "late":
                self._settle(*lost, "accepted")
            self._looked(text, token, listed=found == "listed")
        self.held += [(text, token) for text in stuck]

    @step(2, number=which, listed=of(True, False))
    def looked_late(self, number: int, listed: bool) -> None:
        """Somebody looked long ago and says so now."""
        if held := one(self.held, number):
            self._looked(*held, listed=listed)

    def _looked(self, text: Text, token: UUID, *, listed: bool) -> None:
        sid = {"sid": f"SM{self.new_id().hex}", "status": "sent", "receipt_key": str(UUID(int=1))}
        # What another text has taken is listed, too.
        found = [{**sid, "sid": taken} for taken in self.taken] + [sid] * listed
        answer = self.rpc.call("settle_send", id=text.id, token=token, found=found)
        outcome = self.world.looked(text, token, self.now, listed=listed)
        assert answer == {"outcome": outcome}
        if outcome == "released":
            self._comes_back(text, None)

    # Time

    @step(7, number=which, off=of(-MOMENT, timedelta(), timedelta(), MOMENT))
    def wait_until(self, number: int, off: timedelta) -> None:
        """Until a moment at which something may change, or just before or after it."""
        if later := sorted({at for at in instants(self.world, self.now) if at > self.now}):
            self.rpc.now = max(self.now, later[number % len(later)] + off)

    @step(3, seconds=of(1, 5, 60, 120, 600, 3600, 14_400))
    def wait(self, seconds: int) -> None:
        """For some time."""
        self.rpc.pass_time(seconds=seconds)

    # What must hold

    def check(self) -> None:
        """Database and model agree; what ended stays ended; what was charged is what counts."""
        rows = {row["id"]: row for row in self.rpc.rows("select * from message_queue")}
        expected = {text.id: as_decided(text) for text in self.world.texts}
        assert rows.keys() == expected.keys()
        found = {text: as_recorded(row) for text, row in rows.items()}
        differences = [
            (text, key, {"model": decided, "database": found[text][key]})
            for text in expected
            for key, decided in expected[text].items()
            if found[text][key] != decided
        ]
        assert differences == []
        for text, row in found.items():
            ended = row["status"] if row["status"] != "queued" else None
            assert self.ended.get(text) in (None, ended)
            if ended:
                self.ended[text] = ended
        flying = [rows[text]["user_id"] for text, row in found.items() if row["token"]]
        assert len(flying) == len(set(flying))
        charged = Counter(
            (rows[text]["user_id"], row["charged_on"])
            for text, row in found.items()
            if row["counted"]
        )
        budgets = {
            (row["user_id"], row["date"]): row["messages_sent"]
            for row in self.rpc.rows("select user_id, date, messages_sent from user_message_budget")
        }
        assert budgets == {
            (member.id, day): budget.sent
            for member in self.world.members
            for day, budget in member.budgets.items()
        }
        assert budgets == {day: charged[day] for day in budgets}

    def _leaves(self, text: Text) -> None:
        """Whether this text may be handed out now, told from what left before it."""
        member, here = text.member, ZoneInfo(text.member.zone)
        assert text.confirmation or not member.opted_out
        earlier = [left for left in self.left if left.text.sequence == text.sequence is not None]
        for part in self.world.parts(text):
            if (part.position or 1) < (text.position or 1):
                assert part.status == "sent"
        heard = member.last_inbound
        fresh = heard is not None and self.now - heard <= REPLY_IS_FRESH
        exempt = text.kind == "system" or (text.kind == "reply" and fresh)
        left = Left(text, self.now, self.now.astimezone(here).date(), not exempt and text.is_first)
        if left.budgeted:
            assert not earlier
            limits = member.budgets[left.local_date]
            others = [o for o in self.left if o.text.member is member and o.budgeted]
            daily = 5 if limits.daily is None else limits.daily
            hourly = 2 if limits.hourly is None else limits.hourly
            assert sum(o.local_date == left.local_date for o in others) < daily
            assert sum(o.at > self.now - HOUR for o in others) < hourly
            offsets = {(self.now + n * DAY).astimezone(here).utcoffset() for n in (-1, 0, 1)}
            if limits.quiet is not False and len(offsets) == 1:
                wall = self.now.astimezone(here).time()
                begin, end = window(member.quiet_start, member.quiet_end)
                assert not (begin <= wall < end if begin <= end else wall >= begin or wall < end)
        self.left.append(left)

    def _comes_back(self, text: Text, token: UUID | None) -> None:
        """It did not leave after all, unless somebody who may not say so says it."""
        if token is None or (text.in_flight and text.token == token):
            self.left = [left for left in self.left if left.text is not text]


def one(found: list[T], number: int) -> T | None:
    """One of them, counted from the latest, if there is any."""
    return found[-1 - number % len(found)] if found else None


def as_decided(text: Text) -> dict[str, Any]:
    """What the model says of a text."""
    return {
        "status": text.status,
        "superseded_by": text.superseded_by,
        "reason": text.reason,
        "due": text.due if text.status == "queued" else None,
        "token": str(text.token) if text.in_flight else None,
        "hold": (text.hold.rule, text.hold.until, text.hold.due)
        if text.hold and text.status == "queued"
        else None,
        "counted": text.counted,
        "charged_on": text.charged_on,
        "attempts": text.attempts,
        "error": text.error,
        "unready": text.unready,
    }


def as_recorded(row: dict[str, Any]) -> dict[str, Any]:
    """What the database says of it."""
    data, queued = row["message_data"], row["status"] == "queued"
    hold = data.get("hold") if queued else None
    in_flight = queued and row["delivered_message_id"]
    return {
        "status": row["status"],
        "superseded_by": row["superseded_by_message_id"],
        "reason": row["superseded_reason"],
        "due": row["scheduled_for"] if queued else None,
        "token": data["send"]["token"] if in_flight else None,
        "hold": (hold["rule"], *(datetime.fromisoformat(hold[at]) for at in ("until", "due")))
        if hold
        else None,
        "counted": data.get("counted"),
        "charged_on": date.fromisoformat(data["charged_on"]) if "charged_on" in data else None,
        "attempts": data.get("attempts", 0),
        "error": data.get("error_code"),
        "unready": row["requires_fresh_context"],
    }


def run(rpc: Rpc, begun: dict[str, Any], steps: Steps) -> None:
    """A history, and after each step a look at all of it."""
    # In one session, whose plans are made once.
    with rpc.connection.transaction(force_rollback=True):
        history = History(rpc)
        history.begin(**begun)
        for name, arguments in steps:
            getattr(history, name)(**arguments)
            history.check()


def fails(rpc: Rpc, begun: dict[str, Any], steps: Steps) -> bool:
    """Does this history?"""
    try:
        run(rpc, begun, steps)
    except AssertionError:
        return True
    return False


def shortened(rpc: Rpc, begun: dict[str, Any], steps: Steps) -> Steps:
    """A history that fails, without every step that it fails without."""
    for nth in reversed(range(len(steps))):
        fewer = steps[:nth] + steps[nth + 1 :]
        if fails(rpc, begun, fewer):
            steps = fewer
    return steps


@pytest.mark.timeout(3600 if EXPLORED else 120)
@settings(
    deadline=None,
    max_examples=1000 if EXPLORED else 100,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# By a number alone: of lists, Hypothesis would try each one five times, with little changed.
@given(number=st.integers(0, 2**64))
def test_every_decision_is_the_one_that_the_model_makes(rpc: Rpc, number: int) -> None:
    draw = Random(number)
    begun = a_beginning(draw)
    names = draw.choices(WEIGHTED, k=draw.randint(30, 60))
    steps = [(name, {of: choice(draw) for of, choice in STEPS[name].items()}) for name in names]
    try:
        run(rpc, begun, steps)
    except AssertionError as error:
        shortest = shortened(rpc, begun, steps)
        error.add_note("\n".join(str(line) for line in (begun, *shortest)))
        raise
