"""The clock. In a deployment the database's own; on one machine it can be moved by an offset."""

from datetime import UTC, datetime, timedelta

from lib.core.settings import runtime


def local_offset() -> timedelta:
    """How far the local clock was moved. Zero in a deployment."""
    path = runtime().local_clock_file
    if path is None:
        return timedelta(0)
    try:
        return timedelta(seconds=float(path.read_text() or 0))
    except FileNotFoundError:
        return timedelta(0)


def moved_now() -> datetime | None:
    """The time to pass to SQL functions as `p_now` (UTC).

    None, which is normal, lets the database's own clock count.
    """
    offset = local_offset()
    return datetime.now(UTC) + offset if offset else None


def now() -> datetime:
    """The time (UTC) for talking to the outside. Decisions use the claim's time instead."""
    return moved_now() or datetime.now(UTC)
