"""How long Twilio may still hand a text over: nobody is woken by one that was late."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from tests.support.claims import settle
from tests.support.rpc import Rpc

NEW_YORK = ZoneInfo("America/New_York")
MOST_S = 4 * 3600


def valid_s(rpc: Rpc, user_id: UUID, **data: Any) -> int:
    rpc.queue(user_id, data=data)
    (send,) = rpc.call("claim_texts", token=uuid4(), user_id=user_id)["sends"]
    return int(send["valid_s"])


@pytest.mark.parametrize(
    ("at", "quiet", "seconds"),
    [
        ("20:00", (None, None), 2 * 3600),
        ("21:59", (None, None), 60),
        ("21:59:30", (None, None), 60),  # less is no time to be handed over in
        ("09:00", (None, None), MOST_S),
        ("20:00", ("20:30", "07:00"), 1800),
        ("20:00", ("23:00", None), 2 * 3600),
        ("20:00", ("07:00", "07:00"), MOST_S),
        ("11:00", ("12:00", "13:00"), 3600),
        ("13:30", ("12:00", "13:00"), MOST_S),
    ],
)
def test_what_nobody_asked_for_is_valid_until_quiet_hours(
    rpc: Rpc, at: str, quiet: tuple[str | None, str | None], seconds: int
) -> None:
    user_id = rpc.member(
        "+12125550142",
        timezone="America/New_York",
        quiet_hours_start=quiet[0],
        quiet_hours_end=quiet[1],
    )
    rpc.now = datetime.combine(rpc.now.date(), time.fromisoformat(at), NEW_YORK)
    assert valid_s(rpc, user_id) == seconds


def test_an_answer_and_a_confirmation_are_valid_for_four_hours(rpc: Rpc) -> None:
    user_id = rpc.member("+12125550142", timezone="America/New_York")
    rpc.now = datetime.combine(rpc.now.date(), time(21, 30), NEW_YORK)
    rpc.text("+12125550142")
    assert valid_s(rpc, user_id, kind="reply") == MOST_S


def test_without_quiet_hours_there_is_nothing_to_wake_them_in(rpc: Rpc) -> None:
    user_id = rpc.member("+12125550142", timezone="America/New_York")
    rpc.now = datetime.combine(rpc.now.date(), time(21, 30), NEW_YORK)
    rpc.rows(
        "insert into user_message_budget (user_id, date, quiet_hours_enabled)"
        " values (%s, %s, false) returning id",
        user_id,
        rpc.now.date(),
    )
    assert valid_s(rpc, user_id) == MOST_S


def test_a_sequence_that_nobody_asked_for_is_valid_until_quiet_hours_in_all_its_parts(
    rpc: Rpc,
) -> None:
    user_id = rpc.member("+12125550142", timezone="America/New_York")
    rpc.now = datetime.combine(rpc.now.date(), time(21, 0), NEW_YORK)
    sequence = uuid4()
    for position in (1, 2, 3):
        rpc.queue(
            user_id, sequence_id=sequence, sequence_position=position, sequence_total=3, due=rpc.now
        )
    assert sent_valid_s(rpc, user_id) == 3600
    rpc.now = datetime.combine(rpc.now.date(), time(21, 50), NEW_YORK)
    assert sent_valid_s(rpc, user_id) == 600
    # What has begun is finished, but not hours into the night.
    rpc.now = datetime.combine(rpc.now.date(), time(23, 0), NEW_YORK)
    assert sent_valid_s(rpc, user_id) == 600


def sent_valid_s(rpc: Rpc, user_id: UUID) -> int:
    token = uuid4()
    (send,) = rpc.call("claim_texts", token=token, user_id=user_id)["sends"]
    settle(rpc, token, send["id"], user_id, "accepted")
    return int(send["valid_s"])


def test_a_repeated_claim_says_the_same(rpc: Rpc) -> None:
    user_id = rpc.member("+12125550142", timezone="America/New_York")
    rpc.now = datetime.combine(rpc.now.date(), time(20, 0), NEW_YORK)
    rpc.queue(user_id)
    token = uuid4()
    first = rpc.call("claim_texts", token=token, user_id=user_id)["sends"]
    assert rpc.call("claim_texts", token=token, user_id=user_id)["sends"] == first
