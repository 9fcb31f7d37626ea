"""Message discipline in plain Python, to compare the SQL with.

Written from behaviour.md ("message_queue", "Numbers") and protocol.md ("Outbound"); it knows
nothing of SQL. One `Discipline` is a whole world: members, what waits to be texted to them, and
what left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from uuid import UUID
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.timezone import time_zones_for_geographical_number

DEFAULT_ZONE = "America/New_York"
DAILY, HOURLY = 5, 2
HOUR = timedelta(hours=1)
REPLY_IS_FRESH = timedelta(minutes=10)
SEQUENCE_MAY_GROW = timedelta(minutes=10)
STUCK, LOOK_APART = timedelta(minutes=2), timedelta(seconds=60)
REPEATED = timedelta(minutes=1)
PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
GIVEN_UP = timedelta(hours=24)
RANKS = {"high": 1, "low": 3}
#: So many texts of a member are looked at in one claim.
LOOKED_AT = 20


# Quiet hours


def instant(local: datetime, zone: str) -> datetime:
    """The point in time of a local one: one that does not exist moves forward, of two the first."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def window(start: str | None, end: str | None) -> tuple[time, time]:
    """The window that a member's two columns mean."""
    if start is None or end is None:
        start, end = "22:00", "08:00"
    return time.fromisoformat(start), time.fromisoformat(end)


def quiet_until(start: time, end: time, zone: str, now: datetime) -> datetime | None:
    """The end of the window that `now` lies in, looked for among those of five days."""
    today = now.astimezone(ZoneInfo(zone)).date()
    for offset in (-2, -1, 0, 1, 2) if start != end else ():
        day = today + timedelta(days=offset)
        last = day + timedelta(days=1) if end < start else day
        until = instant(datetime.combine(last, end), zone)
        if instant(datetime.combine(day, start), zone) <= now < until:
            return until
    return None


@cache
def zone_of_number(number: str) -> str | None:
    """The zone of a phone number that has exactly one."""
    zones = time_zones_for_geographical_number(phonenumbers.parse(number))
    return zones[0] if len(zones) == 1 and zones[0] != "Etc/Unknown" else None


@cache
def is_zone(name: str | None) -> bool:
    """Whether this is a zone of the IANA's."""
    try:
        return bool(name) and ZoneInfo(name or "") is not None
    except (ValueError, LookupError, OSError):
        return False


# The world


@dataclass
class Budget:
    """A member's budget of one local day."""

    sent: int = 0
    daily: int | None = DAILY
    hourly: int | None = HOURLY
    quiet: bool | None = True

    @property
    def limits(self) -> tuple[int, int, bool]:
        """What null means, too."""
        daily = DAILY if self.daily is None else self.daily
        return daily, HOURLY if self.hourly is None else self.hourly, self.quiet is not False


@dataclass
class Member:
    """What of a member decides about their texts."""

    id: UUID
    number: str
    timezone: str | None = None
    quiet_start: str | None = None
    quiet_end: str | None = None
    opted_out: bool = False
    last_inbound: datetime | None = None
    budgets: dict[date, Budget] = field(default_factory=dict)

    @property
    def zone(self) -> str:
        """Where the member lives."""
        for name in (self.timezone, zone_of_number(self.number)):
            if name and is_zone(name):
                return name
        return DEFAULT_ZONE

    def quiet_until(self, now: datetime) -> datetime | None:
        """The end of the quiet hours, if they are now."""
        return quiet_until(*window(self.quiet_start, self.quiet_end), self.zone, now)

    def today(self, now: datetime) -> date:
        """The local date."""
        return now.astimezone(ZoneInfo(self.zone)).date()

    def budget(self, now: datetime) -> Budget:
        """Today's; a new day has the limits of the latest one."""
        today = self.today(now)
        if today not in self.budgets:
            latest = self.budgets[max(self.budgets)] if self.budgets else Budget()
            self.budgets[today] = Budget(
                0,
                DAILY if latest.daily is None else latest.daily,
                HOURLY if latest.hourly is None else latest.hourly,
                latest.quiet is not False,
            )
        return self.budgets[today]


@dataclass
class Hold:
    """Why and until when a text waits, and when it was due."""

    rule: str
    until: datetime
    due: datetime


@dataclass
class Text:
    """One row of the queue."""

    id: UUID
    member: Member
    due: datetime
    created: datetime
    kind: str | None = None
    topic: str | None = None
    priority: str | None = "medium"
    sequence: UUID | None = None
    position: int | None = None
    total: int | None = None
    confirmation: bool = False
    #: Without words yet, or to be judged again before it leaves.
    unready: bool = False
    status: str = "queued"
    superseded_by: UUID | None = None
    reason: str | None = None
    hold: Hold | None = None
    counted: bool | None = None
    charged_on: date | None = None
    token: UUID | None = None
    sent_at: datetime | None = None
    looked_at: datetime | None = None
    empty_at: datetime | None = None
    attempts: int = 0
    released_first: datetime | None = None
    refunded_on: date | None = None
    error: str | None = None

    @property
    def in_flight(self) -> bool:
        """Whether it is with Twilio, as far as anybody knows."""
        return self.status == "queued" and self.token is not None

    @property
    def waits(self) -> bool:
        """Whether it is queued and not in flight."""
        return self.status == "queued" and self.token is None

    @property
    def unit(self) -> UUID:
        """What counts once and is superseded at once: a single text or a sequence."""
        return self.sequence or self.id

    @property
    def is_proactive(self) -> bool:
        """Whether nobody asked for it."""
        return self.kind not in ("reply", "system")

    @property
    def is_first(self) -> bool:
        """Whether its unit begins with it."""
        return (self.position or 1) == 1

    @property
    def rank(self) -> int:
        """Smaller leaves earlier."""
        return RANKS.get(self.priority or "", 2)


@dataclass
class Discipline:
    """All members and texts."""

    members: list[Member] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def of(self, member: Member) -> list[Text]:
        """A member's texts."""
        return [text for text in self.texts if text.member is member]

    def parts(self, text: Text) -> list[Text]:
        """All parts of its sequence so far, itself among them."""
        if text.sequence is None:
            return [text]
        return [other for other in self.texts if other.sequence == text.sequence]

    # Claiming

    def claim(
        self, token: UUID, now: datetime, member: Member | None = None, limit: int = 20
    ) -> list[Text]:
        """The texts that leave now, at most one for each member, in order."""
        mine = [t for t in self.texts if t.in_flight and t.token == token]
        if again := [t for t in mine if t.sent_at and t.sent_at >= now - REPEATED]:
            return sorted(again, key=lambda t: (t.sent_at, t.id))
        asked = [member] if member else self.next_members(now)[:limit]
        found = [self._claim(one, token, now) for one in asked]
        return [text for text in found if text]

    def next_members(self, now: datetime) -> list[Member]:
        """Members of whom something may be due and nothing is in flight, most urgent first."""
        due = sorted(
            (t for t in self.texts if self._is_due(t, now) and not self._is_behind(t, lazily=True)),
            key=lambda t: (t.rank, t.due, t.id),
        )
        flying = {t.member.id for t in self.texts if t.in_flight}
        found = {t.member.id: t.member for t in due if t.member.id not in flying}
        return list(found.values())

    def _is_due(self, text: Text, now: datetime) -> bool:
        return text.waits and text.due <= now and not text.unready

    def _is_behind(self, text: Text, *, lazily: bool = False) -> bool:
        """Whether an earlier part is still to leave (unless it waits for what may be this one)."""
        return any(
            other.status == "queued"
            and (other.position or 1) < (text.position or 1)
            and not (lazily and other.hold and other.hold.rule == "sequence_incomplete")
            for other in self.parts(text)
        )

    def _claim(self, member: Member, token: UUID, now: datetime) -> Text | None:
        mine = self.of(member)
        if any(text.in_flight for text in mine):
            return None
        for text in mine:
            complete = len(self.parts(text)) >= (text.total or 0)
            if text.waits and text.hold and text.hold.rule == "sequence_incomplete" and complete:
                text.due, text.hold = text.hold.due, None
        eligible = [t for t in mine if self._is_due(t, now) and not self._is_behind(t)]
        eligible.sort(
            key=lambda t: (
                t.is_first,
                t.rank,
                t.hold.due if t.hold else t.due,
                t.created,
                t.position or 1_000,
                t.id,
            )
        )
        for text in eligible[:LOOKED_AT]:
            if self._may_leave(text, now):
                text.token, text.sent_at, text.hold = token, now, None
                text.refunded_on = None
                text.looked_at = text.empty_at = None
                text.attempts += 1
                return text
        return None

    def _may_leave(self, text: Text, now: datetime) -> bool:
        """The rules, in order. What may not leave is held, superseded or failed."""
        if text.member.opted_out and not text.confirmation:
            text.status, text.reason = "superseded", "opted out"
            return False
        if text.is_first and (newer := self._newer(text)):
            for part in self.parts(text):
                if part.waits:
                    part.status, part.superseded_by = "superseded", newer.id
                    part.reason = "newer text on the same topic"
            return False
        if text.sequence is not None:
            previous = [p for p in self.parts(text) if p.position == (text.position or 1) - 1]
            if previous and previous[0].status == "sent":
                text.counted = False
                return True
            if not self._is_whole(text, now):
                return False
            if not text.is_first:
                self.fail(text, "sequence")
                return False
        text.counted = False
        return self._is_exempt(text, now) or self._is_within_budget(text, now)

    def _newer(self, text: Text) -> Text | None:
        """The newest unit on the same topic, if it is newer than this one."""
        newer = [
            other
            for other in self.of(text.member)
            if other.topic is not None
            and other.topic == text.topic
            and other.is_first
            and other.unit != text.unit
            and (other.created, other.id) > (text.created, text.id)
            and other.status in ("queued", "sent")
        ]
        return max(newer, key=lambda other: (other.created, other.id), default=None)

    def _is_whole(self, text: Text, now: datetime) -> bool:
        """Whether all parts are there and none has ended before it left."""
        parts = self.parts(text)
        if any(part.status in ("failed", "superseded") for part in parts):
            self.fail(text, "sequence")
            return False
        if len(parts) >= (text.total or 0):
            return True
        until = max(part.created for part in parts) + SEQUENCE_MAY_GROW
        if until <= now:
            self.fail(text, "sequence_incomplete")
        else:
            self._hold(text, "sequence_incomplete", until)
        return False

    def _is_exempt(self, text: Text, now: datetime) -> bool:
        heard = text.member.last_inbound
        return text.kind == "system" or (
            text.kind == "reply" and heard is not None and heard >= now - REPLY_IS_FRESH
        )

    def _is_within_budget(self, text: Text, now: datetime) -> bool:
        member, budget = text.member, text.member.budget(now)
        respects_quiet = budget.quiet is not False
        if respects_quiet and (until := member.quiet_until(now)):
            return self._hold(text, "quiet_hours", until)
        if budget.sent >= (DAILY if budget.daily is None else budget.daily):
            tomorrow = member.today(now) + timedelta(days=1)
            until = instant(datetime.combine(tomorrow, time()), member.zone)
            if respects_quiet:
                until = member.quiet_until(until) or until
            return self._hold(text, "daily_limit", until)
        sent = self.sent_in_the_hour(member, now)
        if len({t.unit for t in sent}) >= (HOURLY if budget.hourly is None else budget.hourly):
            oldest = min((t.sent_at for t in sent if t.sent_at), default=now)
            return self._hold(text, "hourly_limit", oldest + HOUR)
        budget.sent += 1
        text.counted, text.charged_on = True, member.today(now)
        return True

    def sent_in_the_hour(self, member: Member, now: datetime) -> list[Text]:
        """The counted texts that left in the rolling hour."""
        return [t for t in self.of(member) if t.counted and t.sent_at and t.sent_at > now - HOUR]

    def _hold(self, text: Text, rule: str, until: datetime) -> bool:
        text.counted = None
        for part in self.parts(text):
            if part.waits:
                part.hold = Hold(rule, until, part.hold.due if part.hold else part.due)
                part.due = max(until, part.due)
        return False

    # What became of it

    def fail(self, text: Text, code: str) -> None:
        """It fails for good, and what is left of its sequence with it."""
        for part in self.parts(text):
            if part is text or part.waits:
                part.status, part.hold = "failed", None
                part.error = code if part is text else "sequence"

    def accepted(self, text: Text, now: datetime) -> None:
        """Twilio has it, whoever says so."""
        if text.status == "queued":
            if not text.in_flight and text.refunded_on:
                text.counted, text.charged_on = True, text.refunded_on
                text.member.budgets[text.refunded_on].sent += 1
            text.status, text.hold = "sent", None
            text.sent_at = text.sent_at or now
            # What came to replace it, and could not any more, does not know that it arrived.
            for other in self.of(text.member) if text.topic else ():
                later = (other.created, other.id) > (text.created, text.id)
                same = other.topic == text.topic and other.unit != text.unit
                if other.waits and other.is_proactive and same and later:
                    other.unready = True

    def refused(self, text: Text, token: UUID, code: str) -> None:
        """Twilio will never take it."""
        if text.in_flight and text.token == token:
            self.fail(text, code)
            if code == "21610":
                self.opt_out(text.member)

    def released(self, text: Text, token: UUID, code: str, now: datetime) -> None:
        """Twilio surely did not take it this time."""
        if not (text.in_flight and text.token == token):
            return
        if text.counted and text.charged_on:
            text.member.budgets[text.charged_on].sent -= 1
        left_at, text.refunded_on = text.sent_at, text.charged_on
        text.token = text.sent_at = text.counted = text.charged_on = None
        text.error = code
        text.released_first = text.released_first or now
        until = now + min(PAUSE * 2 ** (text.attempts - 1), LONGEST_PAUSE)
        for part in self.parts(text):
            if part is text or part.waits:
                part.due = until if part is text else max(until, part.due)
        if text.released_first <= now - GIVEN_UP:
            self.fail(text, code)
        # What the member wrote while it was in flight was said to it, too.
        heard = text.member.last_inbound
        if heard is not None and left_at is not None and heard > left_at:
            self._judge_anew(text.member)

    def look(self, token: UUID, now: datetime) -> list[Text]:
        """Texts in flight for long, to be looked up by who has this token."""
        stuck = [
            t
            for t in self.texts
            if t.in_flight
            and t.sent_at
            and t.sent_at <= now - STUCK
            and (t.looked_at is None or t.looked_at <= now - LOOK_APART)
        ]
        for text in stuck:
            text.token, text.looked_at = token, now
        return stuck

    def looked(self, text: Text, token: UUID, now: datetime, *, listed: bool) -> str:
        """Twilio lists it, or does not."""
        if not (text.in_flight and text.token == token):
            return "stale"
        if listed:
            self.accepted(text, now)
            return "accepted"
        if text.empty_at is not None and text.empty_at <= now - LOOK_APART:
            self.released(text, token, "not_listed", now)
            return "released"
        text.empty_at = text.empty_at or now
        return "waiting"

    # What is queued by a commit

    def commit(self, text: Text) -> None:
        """For a member who has opted out it is queued as superseded."""
        if text.member.opted_out and not text.confirmation:
            text.status, text.reason = "superseded", "opted out"
        self.texts.append(text)

    # What the member says

    def inbound(self, member: Member, now: datetime, *, stop: bool = False) -> None:
        """A text; any but STOP has what waits judged anew."""
        member.last_inbound = max(now, member.last_inbound or now)
        if stop:
            return
        self._judge_anew(member)

    def _judge_anew(self, member: Member) -> None:
        """What nobody asked for, unless it has begun."""
        self.settings_changed(member)
        for text in self.of(member):
            begun = any(part.token or part.status == "sent" for part in self.parts(text))
            if text.waits and text.is_proactive and not begun:
                text.unready = True

    def settings_changed(self, member: Member) -> None:
        """What was held by other rules, or before a text, passes the gate again."""
        for text in self.of(member):
            if text.waits and text.hold:
                text.due, text.hold = min(text.hold.due, text.due), None

    def opt_out(self, member: Member) -> None:
        """STOP: nothing leaves any more but what is told to."""
        if member.opted_out:
            return
        member.opted_out = True
        for text in self.of(member):
            if text.waits:
                text.status, text.reason = "superseded", "opted out"
            else:
                text.confirmation = False

    def opt_in(self, member: Member) -> None:
        """START."""
        member.opted_out = False


def instants(world: Discipline, now: datetime) -> Iterable[datetime]:
    """Future points in time at which something may change."""
    for text in world.texts:
        yield text.due
        if text.sent_at:
            yield from (text.sent_at + HOUR, text.sent_at + STUCK, text.sent_at + REPEATED)
        yield text.created + SEQUENCE_MAY_GROW
        if text.empty_at:
            yield text.empty_at + LOOK_APART
    for member in world.members:
        if member.last_inbound:
            yield member.last_inbound + REPLY_IS_FRESH
        tomorrow = member.today(now) + timedelta(days=1)
        for day in (tomorrow - timedelta(days=1), tomorrow):
            yield instant(datetime.combine(day, time()), member.zone)
            for wall in window(member.quiet_start, member.quiet_end):
                yield instant(datetime.combine(day, wall), member.zone)
