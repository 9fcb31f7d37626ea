"""The local clock: real time moved by the offset that the whole stack reads from one file."""

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds since the epoch (UTC), plus the offset in `offset_file`.

    The file holds one number, the offset in seconds; a missing or empty file means 0. It is read
    at every call, because another process writes it (atomically) while this one runs.
    """

    offset_file: Path | None = None

    def now(self) -> float:
        """Raises ValueError when the file holds anything but a number."""
        return time.time() + self._offset_s()

    def _offset_s(self) -> float:
        if self.offset_file is None:
            return 0.0
        try:
            written = self.offset_file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return 0.0
        return float(written) if written else 0.0
