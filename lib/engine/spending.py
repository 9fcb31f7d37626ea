"""The daily cap on what Claude costs (behaviour.md, "Turns")."""

import threading
from datetime import datetime, timedelta

from lib.adapters.supabase import Database
from lib.core import clock, log
from lib.core.model import JSON, Complete, ModelReply, ModelUnavailable

_log = log.get("spending")

#: How old the sum may be. The cap is overshot by what is spent in that time at most.
_ASKED_EVERY = timedelta(minutes=1)


class Spending:
    """What has been spent since midnight UTC, against a cap. Safe to share between threads."""

    def __init__(self, database: Database, cap_usd: float) -> None:
        self._database = database
        self._cap_usd = cap_usd
        self._lock = threading.Lock()
        self._asked_at: datetime | None = None
        self._is_over = False

    def is_over(self) -> bool:
        """Whether the cap is reached.

        Raises:
            DatabaseError: the database could not be asked.
        """
        now = clock.now()
        with self._lock:
            if not self._is_known(now):
                spent = float(self._database.call("spent_today")["cost_usd"])
                if spent >= self._cap_usd and not self._is_over:
                    _log.error("daily spend cap reached", extra={"cost_usd": spent})
                self._is_over = spent >= self._cap_usd
                self._asked_at = now
            return self._is_over

    def _is_known(self, now: datetime) -> bool:
        """Whether it was asked for a moment ago, on the same day (UTC)."""
        at = self._asked_at
        return at is not None and at <= now < at + _ASKED_EVERY and at.date() == now.date()

    def guard(self, complete: Complete) -> Complete:
        """The same model for work that can wait until tomorrow."""

        def guarded(request: JSON, timeout_s: float) -> ModelReply:
            if self.is_over():
                raise ModelUnavailable("the daily spend cap is reached")
            return complete(request, timeout_s)

        return guarded
