"""Quiet hours on the days when the clocks change, in every zone that both sides know
(behaviour.md, "Quiet hours").

The model (tests/support/discipline.py) is plain Python over zoneinfo. The server has a zone
database of its own, of another age perhaps: zones of which the two tell different things are left
out and printed. HYPOTHESIS_PROFILE=explore asks for every window at every step.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import settings

from tests.support.discipline import instant, quiet_until, window
from tests.support.rpc import Rpc

FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
#: HYPOTHESIS_PROFILE=explore
EXPLORED = settings.default is not None and settings.default.max_examples > 100
DAY = timedelta(days=1)
DEFAULT, LORD_HOWE = "America/New_York", "Australia/Lord_Howe"

#: Not IANA's: the computer's own zone, and one that says that nobody has set it.
NOBODYS = {"localtime", "posixrules", "Factory"}
#: Those with a name of their own for what the server takes for an abbreviation.
LINKED = {
    "CET": "Europe/Brussels",
    "MET": "Europe/Brussels",
    "EET": "Europe/Athens",
    "WET": "Europe/Lisbon",
}

#: Windows that begin or end in gaps and overlaps of one zone or another, or around midnight.
WINDOWS: list[tuple[str | None, str | None]] = [
    (None, None), ("09:00", None), ("22:00", "08:00"), ("01:00", "02:00"), ("01:30", "02:30"),
    ("02:00", "03:00"), ("02:15", "02:45"), ("02:30", "01:30"), ("03:00", "02:30"),
    ("01:30", "01:00"), ("23:30", "00:00"), ("00:00", "23:30"), ("00:00", "00:30"),
    ("22:30", "23:00"), ("08:00", "22:00"), ("07:00", "07:00"),
]  # fmt: skip


#: Windows, zones and moments of which the server does not say what the model says.
WRONG = (
    "select * from ("
    " select a.*, quiet_until(a.starts, a.ends, a.zone, a.at) as found"
    " from unnest(%s::time[], %s::time[], %s::text[], %s::timestamptz[], %s::timestamptz[])"
    " as a (starts, ends, zone, at, expected)) as b"
    " where found is distinct from expected limit 5"
)


# When clocks change


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """When the clocks of a zone change in the two years, to the minute."""
    here, found = ZoneInfo(zone), []
    before = FIRST
    while before < LAST:
        after = before + DAY
        if before.astimezone(here).utcoffset() != after.astimezone(here).utcoffset():
            low, high = 0, 24 * 60
            while high - low > 1:
                middle = (low + high) // 2
                moved = before + timedelta(minutes=middle)
                same = moved.astimezone(here).utcoffset() == before.astimezone(here).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(before + timedelta(minutes=high))
        before = after
    return tuple(found)


def kinds(zones: Iterable[str]) -> Iterable[tuple[str, datetime]]:
    """A zone and a change of its clocks for each hour of the day and step that there is."""
    found: dict[tuple[time, ...], tuple[str, datetime]] = {}
    for zone in zones:
        for change in changes(zone):
            before, after = (
                at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
                for at in (change - timedelta(minutes=1), change)
            )
            # With the same hour in UTC it is the same offset from it, too.
            found[before.time(), after.time(), change.time()] = zone, change
    return found.values()


@cache
def same_as(zone: str) -> str:
    """The first zone whose clocks show the same in the two years: the model is asked once."""
    found = tuple((c, c.astimezone(ZoneInfo(zone)).utcoffset()) for c in (FIRST, *changes(zone)))
    return _first_of.setdefault(found, zone)


_first_of: dict[Any, str] = {}


def half_hours(zone: str) -> Iterable[datetime]:
    """Every half-hour of each local day on which its clocks change, of the day before and after."""
    here = ZoneInfo(zone)
    for change in changes(zone):
        day = (change - timedelta(minutes=1)).astimezone(here).date()
        begin, end = (instant(datetime.combine(day + n * DAY, time()), zone) for n in (-1, 2))
        while begin < end:
            yield begin
            begin += HALF_HOUR


# The server


@pytest.fixture(scope="module")
def zones(shared_database: str) -> list[str]:
    """Zones of which the server and we say the same of every fifth day and around each change."""
    rpc = Rpc(shared_database)
    zones = sorted(available_timezones() - NOBODYS - set(LINKED))
    told = [
        (zone, at)
        for zone in zones
        for at in (
            *(FIRST + n * DAY for n in range(0, 731, 5)),
            *(c + d for c in changes(zone) for d in (timedelta(minutes=-1), timedelta())),
        )
    ]
    wrong = rpc.rows(
        "select distinct t.zone from unnest(%s::text[], %s::timestamptz[], %s::timestamp[])"
        " as t (zone, at, local) where t.zone in (select name from pg_timezone_names)"
        " and t.at at time zone t.zone <> t.local"
        " union select n from unnest(%s::text[]) as n"
        " where n not in (select name from pg_timezone_names)",
        [zone for zone, _ in told],
        [at for _, at in told],
        [at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for zone, at in told],
        zones,
    )
    rpc.close()
    differ = sorted(row["zone"] for row in wrong)
    print(f"The zone databases of the server and of Python differ in {differ or 'nothing'}.")
    same = sorted(set(zones) - set(differ))
    assert len(same) > 0.9 * len(zones)
    return same


def test_every_local_time_of_every_zone_is_the_point_in_time_of_the_model(
    rpc: Rpc, zones: list[str]
) -> None:
    asked: list[tuple[str, datetime]] = []
    for zone in zones:
        days = {c.astimezone(ZoneInfo(zone)).date() for c in changes(zone)} or {date(2026, 4, 11)}
        for day in days:
            midnight = datetime.combine(day, time()) - DAY / 2
            asked += [(zone, midnight + n * HALF_HOUR) for n in range(96)]
    found = rpc.rows(
        "select a.zone, a.local, local_instant(a.local, a.zone) as found, a.expected"
        " from unnest(%s::text[], %s::timestamp[], %s::timestamptz[]) as a (zone, local, expected)"
        " where local_instant(a.local, a.zone) is distinct from a.expected",
        [zone for zone, _ in asked],
        [local for _, local in asked],
        [instant(local, zone) for zone, local in asked],
    )
    assert found == []


def test_quiet_hours_end_when_the_model_says_around_every_change_of_the_clocks(
    rpc: Rpc, zones: list[str]
) -> None:
    asked = [
        (start, end, zone, now, quiet_until(*window(start, end), zone, now))
        for zone, change in kinds(zones)
        for now in (change + n * HALF_HOUR for n in range(-26, 27))
        for start, end in WINDOWS
    ]
    assert len({until is None for *_, until in asked}) == 2
    wrong = rpc.rows(WRONG, *([one[n] for one in asked] for n in range(5)))
    assert wrong == []


@pytest.mark.timeout(3600 if EXPLORED else 180)
def test_quiet_hours_end_when_the_model_says_in_every_zone_around_every_change(
    rpc: Rpc, zones: list[str]
) -> None:
    model = cache(quiet_until)
    asked = [
        (start, end, zone, now, model(*window(start, end), same_as(zone), now))
        for zone in zones
        for nth, now in enumerate(half_hours(zone))
        # One window at a time: all of them at once take minutes.
        for start, end in (WINDOWS if EXPLORED else [WINDOWS[nth % len(WINDOWS)]])
    ]
    assert len({zone for _, _, zone, *_ in asked}) > 150
    wrong = rpc.rows(WRONG, *([one[n] for one in asked] for n in range(5)))
    assert wrong == []


def test_on_other_days_quiet_hours_are_what_the_clock_on_the_wall_shows(rpc: Rpc) -> None:
    zones = ("Asia/Kolkata", "Asia/Kathmandu", "America/Phoenix", "Pacific/Kiritimati", "UTC")
    day = datetime(2026, 6, 15, tzinfo=UTC)
    asked = [
        (start, end, zone, day + n * HALF_HOUR)
        for zone in zones
        for n in range(-48, 49)
        for start, end in WINDOWS
    ]
    found = rpc.rows(
        "select quiet_until(a.starts, a.ends, a.zone, a.at) as until"
        " from unnest(%s::time[], %s::time[], %s::text[], %s::timestamptz[])"
        " with ordinality as a (starts, ends, zone, at, place) order by a.place",
        *([one[n] for one in asked] for n in range(4)),
    )
    for (start, end, zone, now), row in zip(asked, found, strict=True):
        begins, ends = window(start, end)
        wall = now.astimezone(ZoneInfo(zone)).time()
        quiet = begins <= wall < ends if begins <= ends else wall >= begins or wall < ends
        assert (row["until"] is not None) is quiet
        if quiet:
            assert timedelta() < row["until"] - now <= DAY
            assert row["until"].astimezone(ZoneInfo(zone)).time() == ends


def utc(*parts: int) -> datetime:
    year, month, day, hour, minute = parts
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


# What a person would say of some of these days. New York: at 2:00 of 8 March it is 3:00 at once,
# at 2:00 of 1 November it is 1:00 again. Lord Howe moves by half an hour.
@pytest.mark.parametrize(
    ("zone", "start", "end", "now", "until"),
    [
        # The end falls into the gap: it moves forward by the hour that is missing.
        (DEFAULT, "22:00", "02:30", utc(2026, 3, 8, 6, 59), utc(2026, 3, 8, 7, 30)),
        (DEFAULT, "22:00", "02:30", utc(2026, 3, 8, 7, 29), utc(2026, 3, 8, 7, 30)),
        (DEFAULT, "22:00", "02:30", utc(2026, 3, 8, 7, 30), None),
        # So does the start.
        (DEFAULT, "02:30", "08:00", utc(2026, 3, 8, 7, 29), None),
        (DEFAULT, "02:30", "08:00", utc(2026, 3, 8, 7, 30), utc(2026, 3, 8, 12, 0)),
        # Of two 1:30s the first ends them, and they do not begin again.
        (DEFAULT, "22:00", "01:30", utc(2026, 11, 1, 5, 29), utc(2026, 11, 1, 5, 30)),
        (DEFAULT, "22:00", "01:30", utc(2026, 11, 1, 5, 30), None),
        (DEFAULT, "22:00", "01:30", utc(2026, 11, 1, 6, 15), None),
        # The first begins them, and the hour that comes twice belongs to them.
        (DEFAULT, "01:30", "03:00", utc(2026, 11, 1, 5, 29), None),
        (DEFAULT, "01:30", "03:00", utc(2026, 11, 1, 6, 15), utc(2026, 11, 1, 8, 0)),
        # A night is an hour shorter or longer.
        (DEFAULT, "22:00", "08:00", utc(2026, 3, 8, 11, 59), utc(2026, 3, 8, 12, 0)),
        (DEFAULT, "22:00", "08:00", utc(2026, 11, 1, 12, 59), utc(2026, 11, 1, 13, 0)),
        (LORD_HOWE, "22:00", "02:15", utc(2026, 10, 3, 15, 44), utc(2026, 10, 3, 15, 45)),
        (LORD_HOWE, "22:00", "01:45", utc(2026, 4, 4, 14, 44), utc(2026, 4, 4, 14, 45)),
        (LORD_HOWE, "22:00", "01:45", utc(2026, 4, 4, 15, 10), None),
        ("Asia/Kolkata", "22:00", "08:00", utc(2026, 3, 8, 2, 29), utc(2026, 3, 8, 2, 30)),
        ("Asia/Kathmandu", "22:00", "08:00", utc(2026, 3, 8, 2, 14), utc(2026, 3, 8, 2, 15)),
        # PostgreSQL has a 24:00 of its own.
        (DEFAULT, "22:00", "24:00", utc(2026, 6, 2, 3, 59), utc(2026, 6, 2, 4, 0)),
        (DEFAULT, "22:00", "24:00", utc(2026, 6, 2, 4, 0), None),
        (DEFAULT, "24:00", "06:00", utc(2026, 6, 2, 4, 0), utc(2026, 6, 2, 10, 0)),
        (DEFAULT, "00:00", "24:00", utc(2026, 6, 2, 4, 0), utc(2026, 6, 3, 4, 0)),
    ],
)
def test_quiet_hours_end_once_where_the_clock_shows_their_end_twice_or_never(
    rpc: Rpc, zone: str, start: str, end: str, now: datetime, until: datetime | None
) -> None:
    (row,) = rpc.rows(
        "select quiet_until(%s::time, %s::time, %s, %s) as until", start, end, zone, now
    )
    assert row["until"] == until


def test_a_text_held_over_a_change_of_the_clocks_leaves_when_the_window_ends(rpc: Rpc) -> None:
    user = rpc.member(quiet_hours_start="22:00", quiet_hours_end="02:30")
    rpc.now = utc(2026, 3, 8, 5, 0)
    text = rpc.queue(user, "good morning")
    assert rpc.claim_texts() == []
    assert rpc.queued(text)["scheduled_for"] == utc(2026, 3, 8, 7, 30)
    rpc.now = utc(2026, 3, 8, 7, 30)
    assert rpc.claim_texts() == ["good morning"]


# Whose zone it is


def zone_of(rpc: Rpc, *timezones: str | None) -> list[Any]:
    found = rpc.rows(
        "select member_zone(t.name, null) as zone from unnest(%s::text[]) with ordinality"
        " as t (name, place) order by t.place",
        list(timezones),
    )
    return [row["zone"] for row in found]


def test_a_member_lives_by_any_zone_that_the_server_knows_by_ianas_name(
    rpc: Rpc, zones: list[str]
) -> None:
    assert zone_of(rpc, *zones) == zones
    assert {"Etc/GMT0", "Etc/GMT-14", "GMT+0", "EST5EDT", "UTC", "EST", "NZ-CHAT"} <= set(zones)


def test_a_zone_that_the_server_takes_for_an_abbreviation_keeps_its_summer_time(rpc: Rpc) -> None:
    assert zone_of(rpc, *LINKED) == list(LINKED.values())
    for name, linked in LINKED.items():
        for change in (*changes(name), FIRST):
            here, there = (change.astimezone(ZoneInfo(z)).utcoffset() for z in (name, linked))
            assert here == there


@pytest.mark.parametrize(
    "name",
    [
        None, "", " ", "Mars/Olympus", "America/New_York ", "GMT-5", "UTC+3", "EST5", "EST+5", "A1",
        "<+05>-5", "EST5EDT,M3.2.0,M11.1.0", "Etc/GMT+13", "Etc/GMT-15", "Etc/GMT+99", "Etc/GMT+05",
        "+05:30", "-05", "5", "UTC-1:30", "IST", "PST", "pst", "Z", "BST", "now", "../UTC", "UTC\n",
        "posix/UTC", "right/UTC", "x" * 1000, "Ümlaut/Stadt", "'; drop table users; --",
    ],
)  # fmt: skip
def test_what_is_no_name_of_a_zone_counts_as_absent(rpc: Rpc, name: str | None) -> None:
    assert zone_of(rpc, name) == [DEFAULT]
