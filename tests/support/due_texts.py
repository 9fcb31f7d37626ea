"""Ten thousand texts that are due, and what behaviour.md says must become of each of them.

`plan` makes members and their queued texts from a seed; `insert` writes them as anybody may who
inserts into message_queue; `expected` is the rules once more, in plain Python, for a queue that
nothing is added to: which texts leave, in which order, and why the others do not.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

RANKS = {"high": 1, "medium": 2, "low": 3, None: 2}
#: Default quiet hours (behaviour.md, "Quiet hours").
NIGHT = (time(22), time(8))
#: The zone of +1 212, which counts where a member has none.
NUMBERS_ZONE = "America/New_York"
_ZONES = (
    "America/New_York", "America/New_York", "Europe/London", "America/St_Johns",
    "Asia/Kolkata", "Asia/Tokyo", "Australia/Adelaide", None, "Mars/Olympus_Mons",
)  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """A text, or the parts of a sequence."""

    ids: list[UUID]
    bodies: list[str]
    kind: str | None
    topic: str | None
    priority: str | None
    due: datetime
    created_at: datetime
    sequence_id: UUID | None = None
    #: Parts that never came.
    missing: int = 0


@dataclass(frozen=True)
class Member:
    """A member, and what is queued for them."""

    id: UUID
    phone: str
    timezone: str | None
    quiet: tuple[time, time] | None
    #: The budget's row of today: sent so far, limit of the day, of the hour, quiet hours enabled.
    budget: tuple[int, int, int, bool] | None
    sent_this_hour: int
    last_inbound: datetime | None
    units: list[Unit] = field(default_factory=list)


@dataclass
class Fate:
    """What becomes of one member's texts; `sent` in its order."""

    sent: list[str] = field(default_factory=list)
    #: Units among them that the budget paid for.
    counted: int = 0
    #: By row: the rule that holds it.
    held: dict[UUID, str] = field(default_factory=dict)
    #: By row: the unit that supersedes it.
    superseded: dict[UUID, Unit] = field(default_factory=dict)
    failed: set[UUID] = field(default_factory=set)


def plan(seed: int, now: datetime, members: int, rows: int) -> list[Member]:
    """`rows` due texts of so many members; the first member has a heap of them."""
    chance = Random(seed)
    numbers = itertools.count(1)
    made = [_member(chance, nth, now) for nth in range(members)]
    heap = rows // 50
    left = rows - heap
    for _ in range(heap):
        made[0].units.append(_unit(chance, next(numbers), now, "system", "high", 1))
    while left:
        member = made[chance.randrange(members)]
        parts = min(left, chance.choice((1, 1, 1, 1, 2, 3)))
        kind = chance.choices(("proactive", None, "reply", "system"), (9, 3, 2, 1))[0]
        priority = chance.choice(("high", "medium", "low", None))
        member.units.append(_unit(chance, next(numbers), now, kind, priority, parts))
        left -= parts
    return made


def expected(member: Member, now: datetime) -> Fate:
    """The rules of behaviour.md, for all that this member has queued."""
    fate = Fate()
    quiet = _is_quiet(member, now)
    sent, daily, hourly, _ = member.budget or (0, 5, 2, True)
    is_answer_due = member.last_inbound is not None and (
        now - member.last_inbound < timedelta(minutes=10)
    )
    for unit in sorted(member.units, key=lambda u: (RANKS[u.priority], u.due, u.created_at)):
        newest = max(
            (u for u in member.units if unit.topic and u.topic == unit.topic),
            key=lambda u: u.created_at,
            default=unit,
        )
        if newest is not unit:
            fate.superseded.update(dict.fromkeys(unit.ids, newest))
            continue
        if unit.missing:
            fate.failed.update(unit.ids)
            continue
        rule = None
        if unit.kind != "system" and not (unit.kind == "reply" and is_answer_due):
            if quiet:
                rule = "quiet_hours"
            elif sent + fate.counted >= daily:
                rule = "daily_limit"
            elif member.sent_this_hour + fate.counted >= hourly:
                rule = "hourly_limit"
            else:
                fate.counted += 1
        if rule:
            fate.held.update(dict.fromkeys(unit.ids, rule))
        else:
            fate.sent.extend(unit.bodies)
    return fate


def insert(
    connection: psycopg.Connection[DictRow], members: Iterable[Member], now: datetime
) -> None:
    """Write members and texts."""
    with connection.transaction(), connection.cursor() as cursor:
        members = list(members)
        cursor.executemany(
            "insert into users (id, phone_number, verified, timezone, quiet_hours_start,"
            " quiet_hours_end) values (%s, %s, true, %s, %s, %s)",
            [(m.id, m.phone, m.timezone, *(m.quiet or (None, None))) for m in members],
        )
        cursor.executemany(
            "insert into conversations (id, user_id, phone_number, status)"
            " values (%s, %s, %s, 'active')",
            [(m.id, m.id, m.phone) for m in members],
        )
        cursor.executemany(
            "insert into messages (conversation_id, user_id, role, content, direction, created_at)"
            " values (%s, %s, 'user', 'hi', 'inbound', %s)",
            [(m.id, m.id, m.last_inbound) for m in members if m.last_inbound],
        )
        cursor.executemany(
            "insert into user_message_budget (user_id, date, messages_sent, daily_limit,"
            " hourly_limit, quiet_hours_enabled) values (%s, %s, %s, %s, %s, %s)",
            [(m.id, now.astimezone(_zone(m)).date(), *m.budget) for m in members if m.budget],
        )
        cursor.executemany(
            "insert into message_queue (user_id, agent_id, message_data, final_message, status,"
            " scheduled_for, sent_at)"
            " values (%s, 'concierge', '{\"counted\": true}', 'before', 'sent', %s, %s)",
            [
                (m.id, at, at)
                for m in members
                for at in [now - timedelta(minutes=20 + n) for n in range(m.sent_this_hour)]
            ],
        )
        cursor.executemany(
            "insert into message_queue (id, user_id, agent_id, message_data, final_message,"
            " priority, scheduled_for, created_at, sequence_id, sequence_position, sequence_total)"
            " values (%s, %s, 'concierge', %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    row,
                    member.id,
                    Jsonb({k: v for k, v in (("kind", u.kind), ("topic", u.topic)) if v}),
                    body,
                    u.priority,
                    u.due,
                    u.created_at,
                    u.sequence_id,
                    place if u.sequence_id else None,
                    len(u.ids) + u.missing if u.sequence_id else None,
                )
                for member in members
                for u in member.units
                for place, (row, body) in enumerate(zip(u.ids, u.bodies, strict=True), 1)
            ],
        )


def _member(chance: Random, nth: int, now: datetime) -> Member:
    at_noon = (time(12), time(13, 30))
    budget = (
        (chance.randint(0, 3), chance.randint(0, 9), chance.randint(0, 7), chance.random() < 0.7)
        if chance.random() < 0.6
        else None
    )
    return Member(
        id=_id(chance),
        phone=f"+1212555{2000 + nth}",
        timezone=chance.choice(_ZONES),
        quiet=chance.choice((None, None, at_noon, (time(9), time(9)), (time(20), time(6)))),
        budget=budget,
        sent_this_hour=chance.choice((0, 0, 0, 1)),
        last_inbound=chance.choice((None, now - timedelta(minutes=2), now - timedelta(hours=1))),
    )


def _unit(
    chance: Random, number: int, now: datetime, kind: str | None, priority: str | None, parts: int
) -> Unit:
    missing = int(parts > 1 and chance.random() < 0.1)
    return Unit(
        ids=[_id(chance) for _ in range(parts)],
        bodies=[f"Text number {number}, part {part} of {parts}" for part in range(1, parts + 1)],
        kind=kind,
        topic=chance.choice(("a", "b", None, None, None)) if not missing and number > 200 else None,
        priority=priority,
        # Due in another order than they were made in.
        due=now - timedelta(hours=2) + timedelta(milliseconds=chance.randrange(3_600_000)),
        created_at=now - timedelta(days=1) + timedelta(milliseconds=number),
        sequence_id=_id(chance) if parts > 1 else None,
        missing=missing,
    )


def _id(chance: Random) -> UUID:
    return UUID(int=chance.getrandbits(128), version=4)


def _zone(member: Member) -> ZoneInfo:
    known = member.timezone and member.timezone != "Mars/Olympus_Mons"
    return ZoneInfo(member.timezone if known and member.timezone else NUMBERS_ZONE)


def _is_quiet(member: Member, now: datetime) -> bool:
    if member.budget is not None and not member.budget[3]:
        return False
    start, end = member.quiet or NIGHT
    local = now.astimezone(_zone(member)).time()
    return start <= local < end if start <= end else local >= start or local < end
