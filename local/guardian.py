"""Ends the stack's processes when the stack itself could not, because it was killed.

Started by the stack with a pipe as its input. Each line names a process that leads a group:
`+1234 2` (end it with signal 2 first) or `-1234` (gone already). The pipe closes when the stack
ends, however it ends; whatever is left on the list then is ended. Runs as a plain file, with the
standard library only: it must start at once and outlive everything.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_S = 2.0


def main() -> None:
    """Follow the list until the pipe closes, then end what is on it."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    leaders: dict[int, int] = {}
    for line in sys.stdin:
        fields = line.split()
        pid = int(fields[0][1:])
        if fields[0].startswith("+"):
            leaders[pid] = int(fields[1])
        else:
            leaders.pop(pid, None)
    gentle = {pid for pid, first in leaders.items() if first != signal.SIGKILL}
    for pid in leaders:
        if pid not in gentle:
            _signal_group(pid, signal.SIGKILL)
    for pid in gentle:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, leaders[pid])
    deadline = time.monotonic() + GRACE_S
    while gentle and time.monotonic() < deadline:
        time.sleep(0.05)
        gentle = {pid for pid in gentle if _is_alive(pid)}
    for pid in gentle:
        _signal_group(pid, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


if __name__ == "__main__":
    main()
