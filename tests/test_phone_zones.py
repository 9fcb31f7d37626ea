"""A phone number's time zone is the same in SQL, which holds texts back by it, and in Python."""

import random

import psycopg
import pytest
from phonenumbers.tzdata import TIMEZONE_DATA

from lib.domain.zones import DEFAULT_ZONE, zone_of
from sql.phone_zones import FILE, generated


def in_sql(url: str, numbers: list[str]) -> list[str | None]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "select phone_zone(n) from unnest(%s::text[]) with ordinality as p (n, i) order by i",
            (numbers,),
        ).fetchall()
    return [row[0] for row in found]


def test_the_file_is_what_the_package_says() -> None:
    assert FILE.read_text(encoding="utf-8") == generated()


def test_every_known_prefix_is_where_the_package_says(shared_database: str) -> None:
    prefixes = sorted(TIMEZONE_DATA)
    zones = [TIMEZONE_DATA[prefix] for prefix in prefixes]
    assert in_sql(shared_database, [f"+{prefix}" for prefix in prefixes]) == [
        zone[0] if len(zone) == 1 else None for zone in zones
    ]


def test_any_number_is_in_the_same_zone_for_both(shared_database: str) -> None:
    draw = random.Random(5)
    numbers = [
        f"+{draw.choice(sorted(TIMEZONE_DATA))}{draw.randrange(10**6, 10**7)}"[:16]
        for _ in range(500)
    ]
    for number, zone in zip(numbers, in_sql(shared_database, numbers), strict=True):
        # A zone that this machine's tables do not have counts as absent.
        assert zone_of(None, number).key in (zone or DEFAULT_ZONE, DEFAULT_ZONE)
        if zone in ("America/Chicago", "Europe/London", "Asia/Tokyo"):
            assert zone_of(None, number).key == zone


@pytest.mark.parametrize("number", ["", "+", "12125550123", "erased:1", "+1 212", "short code"])
def test_what_is_no_number_has_no_zone(shared_database: str, number: str) -> None:
    assert in_sql(shared_database, [number]) == [None]
