"""What members decide about themselves and about us: their goal, what they know well, where they
are, and when and how often they may be written to.

The goal is kept in `agent_instances.config_json` as `goal`: it is what the agent works for. The
rest has columns of its own.
"""

from datetime import time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from lib.agents import context
from lib.agents.tools import ToolError
from lib.core.model import JSON
from lib.domain import messaging, names, onboarding
from lib.domain.onboarding import NotTakenError, OwnWords
from lib.domain.zones import named_zone, zone_of
from lib.engine.turn import Turn
from lib.engine.work import UnitOfWork


class Preferences:
    """One member's, in one turn. `columns` are those of their row that change."""

    def __init__(self, turn: Turn, own: OwnWords) -> None:
        self._turn = turn
        self._own = own
        self._budget = turn.budgets[0] if turn.budgets else None
        self._limits: JSON = {}
        self._config = _config(turn)
        self._goal = self._config.get("goal")
        self.columns: JSON = {}

    def card(self) -> JSON:
        """What the model is told of them."""
        member = self._turn.member
        quiet = (member.quiet_hours_start, member.quiet_hours_end)
        return {
            **({"goal": self._goal} if self._goal else {}),
            "pace": self._pace(),
            **({"quiet_hours": [hour[:5] for hour in quiet if hour]} if all(quiet) else {}),
        }

    def set_goal(self, goal: str | None) -> JSON:
        """Keep what the member is working towards, in one line; None: nothing any more."""
        words = " ".join((goal or "").split())
        own = "\n".join([*context.own_texts(self._turn), self._goal or ""])
        if invented := names.unknown(words, given=own):
            raise ToolError(f"Not in their words: {', '.join(invented[:5])}.")
        self._goal = words or None
        return {"goal": self._goal}

    def set_expertise(self, areas: list[str]) -> JSON:
        """Add what the member says they know well."""
        try:
            known = onboarding.expertise(areas, self._turn.member.expertise or (), self._own)
        except NotTakenError as error:
            raise ToolError(str(error)) from None
        self.columns["expertise"] = list(known)
        return {"expertise": list(known)}

    def set_linkedin(self, url: str) -> JSON:
        """Keep the address of the member's profile."""
        try:
            self.columns["linkedin_url"] = onboarding.linkedin_url(url, self._own)
        except NotTakenError as error:
            raise ToolError(str(error)) from None
        return {"linkedin_url": self.columns["linkedin_url"]}

    def set_time_zone(self, place: str, zone: str) -> JSON:
        """Live by the clock of the place where the member says they are."""
        if not self._own.contain(place):
            raise ToolError("They did not name that place; ask where they are.")
        if named_zone(zone) is None:
            raise ToolError("That is no time zone of the form Area/City.")
        self.columns["timezone"] = zone
        local = self._turn.now.astimezone(self._zone())
        return {"time_zone": zone, "local_time": local.strftime("%H:%M")}

    def set_quiet_hours(self, start: time, end: time) -> JSON:
        """Set when the member is not to be written to first."""
        self.columns |= {"quiet_hours_start": start.isoformat(), "quiet_hours_end": end.isoformat()}
        if self._budget and self._budget.quiet_hours_enabled is False:
            self._limits["quiet_hours_enabled"] = True  # they were switched off altogether
        return {"quiet_from": start.isoformat("minutes"), "until": end.isoformat("minutes")}

    def set_pace(self, per_day: int | None, per_hour: int | None) -> JSON:
        """Write first no more often than this; neither: as often as usual."""
        if per_day is None and per_hour is None:
            per_day, per_hour = messaging.USUAL_PER_DAY, messaging.USUAL_PER_HOUR
        given = {"daily_limit": per_day, "hourly_limit": per_hour}
        self._limits |= {column: limit for column, limit in given.items() if limit is not None}
        return self._pace()

    def close(self, work: UnitOfWork, instance_id: UUID) -> None:
        """Add what has changed beside the member's row; `instance_id` is the agent's."""
        if self._goal != self._config.get("goal"):
            config = {key: value for key, value in self._config.items() if key != "goal"}
            work.update(
                "agent_instances",
                instance_id,
                {"config_json": config | ({"goal": self._goal} if self._goal else {})},
                expect={"config_json": _stored(self._turn), "status": "active"},
            )
        if self._limits:
            self._change_limits(work)

    def _change_limits(self, work: UnitOfWork) -> None:
        """Change today's row and the later ones that another time zone may have left.

        Yesterday's too, which may be today's again elsewhere. Days to come copy the latest.
        """
        today = self._turn.now.astimezone(self._zone()).date()
        for budget in self._turn.budgets:
            if budget.date >= today - timedelta(days=1):
                read = budget.model_dump()
                expected = {column: read[column] for column in self._limits}
                work.update("user_message_budget", budget.id, self._limits, expect=expected)
        if all(budget.date != today for budget in self._turn.budgets):
            latest = self._budget.model_dump(exclude={"id", "date"}) if self._budget else {}
            kept = {column: value for column, value in latest.items() if value is not None}
            row = {"user_id": self._turn.member.id, "date": today.isoformat(), "messages_sent": 0}
            work.insert("user_message_budget", row | kept | self._limits)

    def _pace(self) -> JSON:
        read = self._budget.model_dump() if self._budget else {}
        limits = read | self._limits
        per_day, per_hour = limits.get("daily_limit"), limits.get("hourly_limit")
        return {
            "per_day": messaging.USUAL_PER_DAY if per_day is None else per_day,
            "per_hour": messaging.USUAL_PER_HOUR if per_hour is None else per_hour,
        }

    def _zone(self) -> ZoneInfo:
        member = self._turn.member
        return zone_of(self.columns.get("timezone", member.timezone), member.phone_number)


def _stored(turn: Turn) -> Any:
    """The configuration of the member's agent as it is stored; that of a new one is empty."""
    return turn.agent_instance.config_json if turn.agent_instance else {}


def _config(turn: Turn) -> JSON:
    stored = _stored(turn)
    config: JSON = stored if isinstance(stored, dict) else {}
    # Anybody may have written it.
    return config if isinstance(config.get("goal", ""), str) else config | {"goal": None}
