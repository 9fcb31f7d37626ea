"""The supervisor: starts processes, starts them again when they die, and leaves none behind.

Each process leads a session and a group of its own. When the leader dies its whole group is ended
(gunicorn's workers would hold the port) and the same command is started again at once, on the same
port. A guardian process ends everything should the supervisor itself be killed.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from local import guardian
from local.state import PROJECT_ROOT, State, write_private_json

_YOUNG_S = 1.0
_RESTART_PAUSE_S = 0.5


class StartError(Exception):
    """Something did not start; the message says what and what its log says."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system account a process runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    `first_signal` asks it to end; it is killed when it does not within `grace_s` seconds.
    `before_start` runs before every start, the first and those after a crash.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    first_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 3.0
    before_start: Callable[[], None] | None = None


class _Child:
    """One program and the process that runs it now."""

    def __init__(self, program: Program, process: "subprocess.Popen[bytes]") -> None:
        self.program = program
        self.process = process
        self.deaths = 0
        self.stopping = threading.Event()


class Supervisor:
    """Runs programs until `close`. `on_change` is called after a process was replaced."""

    def __init__(self, state: State, on_change: Callable[[], None]) -> None:
        self._state = state
        self._on_change = on_change
        self._children: dict[str, _Child] = {}
        self._lock = threading.RLock()
        self._is_closed = False
        end_leftovers(state)
        state.logs.mkdir(parents=True, exist_ok=True)
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(guardian.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def start(self, program: Program) -> None:
        """Start a program and keep it running.

        Raises:
            StartError: its command cannot be executed, or `close` was called.
        """
        _set_aside(self.log_of(program.name))
        with self._lock:
            if self._is_closed:
                raise StartError(f"{program.name} is not started: the stack is stopping.")
            child = _Child(program, self._spawn(program))
            self._children[program.name] = child
            self._record()
        threading.Thread(target=self._watch, args=(child,), daemon=True).start()

    def names(self) -> list[str]:
        """The programs started, in that order."""
        with self._lock:
            return list(self._children)

    def pid_of(self, name: str) -> int:
        """The process id of a program's leader now."""
        return self._children[name].process.pid

    def deaths_of(self, name: str) -> int:
        """How many times a program's process has ended by itself."""
        return self._children[name].deaths

    def log_of(self, name: str) -> Path:
        """The file with what a program printed."""
        return self._state.logs / f"{name}.log"

    def close(self, last: Sequence[str] = ()) -> None:
        """End everything, gently and then surely: all others together, then `last` in its order."""
        with self._lock:
            self._is_closed = True
            others = [child for name, child in self._children.items() if name not in last]
            ordered = [self._children[name] for name in last if name in self._children]
        self._end(others)
        for child in ordered:
            self._end([child])
        self._guardian.communicate()  # closes its pipe: the list is empty, so it just ends
        self._state.children.unlink(missing_ok=True)

    def _end(self, children: Sequence[_Child]) -> None:
        with self._lock:
            for child in children:
                child.stopping.set()
                if child.process.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child.process.pid, child.program.first_signal)
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(child.program.grace_s)
            _kill_group(child.process.pid)
            child.process.wait()
            self._forget(child.process.pid)

    def _watch(self, child: _Child) -> None:
        while True:
            began = time.monotonic()
            child.process.wait()
            with self._lock:
                if child.stopping.is_set():
                    return
                child.deaths += 1
                _kill_group(child.process.pid)
                self._forget(child.process.pid)
            # What dies as soon as it starts is not started in a tight loop.
            if time.monotonic() - began < _YOUNG_S:
                child.stopping.wait(_RESTART_PAUSE_S)
            with self._lock:
                if child.stopping.is_set():
                    return
                try:
                    child.process = self._spawn(child.program)
                except StartError as error:
                    print(f"{error}; trying again", file=sys.stderr, flush=True)
                    continue  # the ended process is found ended again, after the pause
                self._record()
            self._on_change()

    def _spawn(self, program: Program) -> "subprocess.Popen[bytes]":
        if program.before_start is not None:
            program.before_start()
        account = program.account
        with self.log_of(program.name).open("ab") as log:
            try:
                process = subprocess.Popen(
                    program.command,
                    cwd=PROJECT_ROOT,
                    env=program.env or None,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=[] if account else None,
                )
            except OSError as error:
                raise StartError(f"{program.name} cannot be started: {error}") from error
        self._tell_guardian(f"+{process.pid} {_last_signal(program)}")
        return process

    def _forget(self, pid: int) -> None:
        self._tell_guardian(f"-{pid}")

    def _tell_guardian(self, line: str) -> None:
        if self._guardian.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guardian.stdin.write(f"{line}\n")
                self._guardian.stdin.flush()

    def _record(self) -> None:
        """Note which processes run, with their start times: a process id alone may be reused."""
        running: dict[str, object] = {}
        for name, child in self._children.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                pid = child.process.pid
                running[name] = [pid, psutil.Process(pid).create_time()]
        write_private_json(self._state.children, running)


def end_leftovers(state: State) -> None:
    """End processes of an earlier stack whose guardian was killed together with it."""
    try:
        recorded: dict[str, list[float]] = json.loads(state.children.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    for pid, created in recorded.values():
        try:
            is_same = psutil.Process(int(pid)).create_time() == created
        except psutil.NoSuchProcess:
            continue
        if is_same:
            _kill_group(int(pid))
    state.children.unlink()


def log_tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message on the developer's own terminal."""
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _last_signal(program: Program) -> int:
    """How the guardian ends it: gently only where that protects data."""
    return program.first_signal if program.first_signal == signal.SIGINT else signal.SIGKILL


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _set_aside(log: Path) -> None:
    """Keep the log of the run before, so that this run's starts empty."""
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
