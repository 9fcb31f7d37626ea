"""`python -m local.stack`: everything on one machine, in the foreground until Ctrl-C.

    python -m local.stack          start; says so and leaves it alone if one is running
    python -m local.stack stop     end the running one
    python -m local.stack reset    delete its data; refuses while it is running

The environment (see services.py) replaces a simulator by the real service, gives ports, and with
HEADLESS=1 leaves the page out.
"""

import argparse
import contextlib
import fcntl
import http.client
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import IO

from local.description import as_object
from local.processes import StartError, Supervisor, log_tail
from local.services import Services, plan
from local.state import PROJECT_ROOT, State, write_private_json

_START_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 30.0
_DEATHS_BEFORE_GIVING_UP = 3


class AlreadyRunningError(Exception):
    """Another process runs the stack of this directory."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"The stack is already running (process {pid}); `make stop` ends it.")
        self.pid = pid


class Stack:
    """One running stack: its processes and the file that describes them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._state = services.state
        self._began = time.monotonic()
        self._is_ready = False
        self._is_abandoned = threading.Event()
        self._writing = threading.Lock()
        write_private_json(self._state.addresses, as_object(services.description))
        self._supervisor = Supervisor(self._state, on_change=self._describe)

    def start(self) -> None:
        """Bring everything up, as much of it at once as the order allows.

        Raises:
            StartError: something did not come up; the message says what its log says.
        """
        services = self._services
        with ThreadPoolExecutor() as side_by_side:
            parts = [side_by_side.submit(self._start_database)]
            for program in services.simulators():
                self._supervisor.start(program)
                parts.append(side_by_side.submit(self._wait_for, program.name, "/"))
            if "pubsub" in services.description:
                self._supervisor.start(services.pubsub())
                parts.append(side_by_side.submit(self._wait_for_subscription))
            for name in services.functions:
                self._supervisor.start(services.function(name))
                # A path that functions-framework answers itself, without running the function.
                parts.append(side_by_side.submit(self._wait_for, name, "/robots.txt"))
            try:
                for part in as_completed(parts):
                    part.result()
            except StartError:
                self._is_abandoned.set()
                raise
        # They call the functions, so the functions come first.
        if services.description["database_url"] and "pubsub" not in services.description:
            self._supervisor.start(services.relay())
        self._supervisor.start(services.controller())
        self._wait_for("controller", "/clock")
        with self._writing:
            self._is_ready = True
        self._describe()
        print(f"Ready in {time.monotonic() - self._began:.1f} s.\n{self._summary()}", flush=True)

    def stop(self) -> None:
        """End everything; what calls others ends before what is called."""
        self._is_abandoned.set()
        with self._writing:
            self._is_ready = False
            self._state.stack_file.unlink(missing_ok=True)
        self._supervisor.close(last=("supabase", "postgres"))
        self._state.addresses.unlink(missing_ok=True)

    def _start_database(self) -> None:
        services, postgres = self._services, self._services.postgres
        if postgres is None:
            return
        postgres.prepare()
        self._supervisor.start(postgres.program())
        postgres.wait_until_ready(_START_TIMEOUT_S, self._is_abandoned)
        self._report("postgres")
        migrated = subprocess.run(
            [sys.executable, "-m", "sql.migrate", postgres.url],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if migrated.returncode != 0:
            raise StartError(f"The schema was not applied:\n{migrated.stdout}{migrated.stderr}")
        self._report("schema")
        self._supervisor.start(services.supabase_api())
        self._wait_for("supabase", "/rest/v1/")

    def _wait_for(self, name: str, path: str) -> None:
        """Wait until a process answers HTTP, with whatever status."""
        url = f"http://127.0.0.1:{self._services.ports[name]}{path}"
        self._wait_until(name, lambda: _status(url) is not None)

    def _wait_for_subscription(self) -> None:
        """Wait until Pub/Sub pushes to event_processor."""
        pubsub = self._services.description["pubsub"]
        url = f"http://{pubsub['emulator']}/v1/{pubsub['subscription']}"
        self._wait_until("pubsub", lambda: _status(url) == http.HTTPStatus.OK)

    def _wait_until(self, name: str, is_up: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not is_up():
            if self._supervisor.deaths_of(name) >= _DEATHS_BEFORE_GIVING_UP:
                raise StartError(self._blame(name, "ends as soon as it starts"))
            if time.monotonic() > deadline or self._is_abandoned.wait(0.05):
                raise StartError(self._blame(name, "does not answer"))
        self._report(name)

    def _blame(self, name: str, problem: str) -> str:
        log = self._supervisor.log_of(name)
        return f"{name} {problem}. The end of {log}:\n{log_tail(log)}"

    def _report(self, name: str) -> None:
        print(f"  {name:<22}{time.monotonic() - self._began:5.1f} s", flush=True)

    def _describe(self) -> None:
        """Write stack.json with the process ids of this moment."""
        with self._writing:
            if self._is_ready:
                pids = {name: self._supervisor.pid_of(name) for name in self._services.functions}
                description = {**as_object(self._services.description), "pids": pids}
                write_private_json(self._state.stack_file, description)

    def _summary(self) -> str:
        description = self._services.description
        claude, twilio = description["claude"], description["twilio"]
        pubsub = description.get("pubsub")
        rows = {
            "Phones": description["phones"] or "none (HEADLESS)",
            "Database": description["database_url"] or "only through the API",
            "Supabase": description["supabase"]["url"],
            "Twilio": twilio["url"] + (" (simulated)" if "control" in twilio else ""),
            "Pub/Sub": f"http://{pubsub['emulator']} (emulator)" if pubsub else "the relay",
            "Claude": claude["url"] + (" (simulated)" if claude["simulated"] else ""),
            "E-mail": description.get("email", "SendGrid")
            + (" (simulated)" if "email" in description else ""),
            "Clock": description["clock"],
            **description["functions"],
            "Everything": str(self._state.stack_file),
            "Logs": str(self._state.logs),
        }
        return "\n".join(f"  {name:<22}{where}" for name, where in rows.items())


def run(state: State) -> int:
    """Run the stack until a signal; the exit status of the command."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    with _exclusively(state):
        state.stack_file.unlink(missing_ok=True)
        print(f"Starting the stack in {state.root}", flush=True)
        stack = Stack(plan(state, os.environ))
        starting = _Background(stack.start)
        try:
            while starting.is_alive() and not stopped.is_set():
                starting.join(0.1)
            if starting.error is not None:
                print(f"\n{starting.error}", file=sys.stderr, flush=True)
                return 1
            stopped.wait()
            print("\nStopping.", flush=True)
        finally:
            stack.stop()
    return 0


def stop(state: State) -> int:
    """End the running stack and wait until it is gone; the exit status of the command."""
    try:
        with _exclusively(state):
            print("The stack is not running.")
            return 0
    except AlreadyRunningError as running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with _exclusively(state):
                print("Stopped.")
                return 0
        except AlreadyRunningError:
            time.sleep(0.1)
    print("The stack does not stop.", file=sys.stderr)
    return 1


def reset(state: State) -> int:
    """Delete everything the stack has stored; the exit status of the command."""
    with _exclusively(state):
        shutil.rmtree(state.sockets, ignore_errors=True)
        shutil.rmtree(state.root)
    print(f"Deleted {state.root}.")
    return 0


class _Background(threading.Thread):
    """Runs one function aside and keeps how it failed, if it did."""

    def __init__(self, function: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self.error: StartError | None = None
        self.start()

    def run(self) -> None:
        try:
            self._function()
        except StartError as error:
            self.error = error


@contextlib.contextmanager
def _exclusively(state: State) -> Iterator[None]:
    """Hold the directory's lock. The kernel lets go of it however the process ends.

    Raises:
        AlreadyRunningError: another process holds it.
    """
    state.root.mkdir(parents=True, exist_ok=True)
    with state.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(_pid_in(file)) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _pid_in(file: IO[str]) -> int:
    """The process id its holder wrote; it writes it right after taking the lock."""
    for _ in range(20):
        file.seek(0)
        if written := file.read().strip():
            return int(written)
        time.sleep(0.05)
    return 0


def _status(url: str) -> int | None:
    """What a GET is answered with; None when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException):
        return None


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.stack", description="The local stack.")
    parser.add_argument("command", nargs="?", default="run", choices=["run", "stop", "reset"])
    commands: Mapping[str, Callable[[State], int]] = {"run": run, "stop": stop, "reset": reset}
    command = parser.parse_args().command
    try:
        return commands[command](State.from_environment())
    except AlreadyRunningError as running:
        print(running)
        return 0 if command == "run" else 1
    except StartError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
