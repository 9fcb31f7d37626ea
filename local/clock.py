"""The one local clock: real time moved by an offset that functions, schedules and SQL share."""

import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime

from local.simulation.clock import Clock


@dataclass(frozen=True, slots=True)
class MovableClock(Clock):
    """The clock as its only writer sees it. It moves forward only, as time does."""

    def utcnow(self) -> datetime:
        """Now, offset included (UTC)."""
        return datetime.fromtimestamp(self.now(), UTC)

    def offset_s(self) -> float:
        """How far the clock was moved, seconds."""
        return self._offset_s()

    def advance(self, seconds: float) -> None:
        """Move the clock forward for every process that reads it.

        Raises:
            ValueError: the number is not finite or not positive, or there is no clock to move.
        """
        if self.offset_file is None:
            raise ValueError("this stack has no clock of its own")
        if not math.isfinite(seconds) or seconds <= 0:
            raise ValueError("the clock moves forward only: give a positive number of seconds")
        # Written beside and renamed: a reader sees the old number or the new one, never half.
        beside = self.offset_file.with_name(f"{self.offset_file.name}.new")
        beside.write_text(f"{self.offset_s() + seconds:.6f}\n", encoding="utf-8")
        os.replace(beside, self.offset_file)
