"""How long one run goes on with what waits of a member (lib/engine/process.py)."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import pytest

from lib.adapters.supabase import Database, as_json
from lib.adapters.twilio_sms import Sms
from lib.engine import process
from lib.engine.outbox import Outbox
from tests.support.rpc import Rpc

ADA = "+12125550101"


class OverSql:
    """The functions of the database, called by a session instead of by Supabase's API."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    def call(self, function: str, **arguments: Any) -> dict[str, Any]:
        given = {name: as_json(value) for name, value in arguments.items() if value is not None}
        return self._rpc.call(function, **given)


@pytest.mark.parametrize(("seconds", "taken"), [(120.0, 3), (0.0, 1)])
def test_a_run_begins_with_nothing_more_when_its_time_is_up(
    rpc: Rpc, monkeypatch: pytest.MonkeyPatch, seconds: float, taken: int
) -> None:
    ada = rpc.member(ADA)
    events = rpc.rows(
        "insert into events (event_type, aggregate_type, aggregate_id, payload, created_at)"
        " select 'user.opted_in', 'user', %s, '{\"keyword\": \"START\"}', %s"
        " from generate_series(1, 3) returning id",
        *(ada, rpc.now),
    )
    monkeypatch.setattr(process, "CHAIN_FOR_S", seconds)
    database = cast(Database, OverSql(rpc))
    outbox = Outbox(database, cast(Sms, None))
    processor = process.EventProcessor(database, {}, outbox, lambda _: None)
    assert processor.run(UUID(str(events[0]["id"]))) == "applied"
    (found,) = rpc.rows("select count(*) as n from events where processed and metadata ? 'done'")
    assert found["n"] == taken
