"""Where the stack keeps its files: one directory, `.local` unless YACHTPARTY_STATE_DIR says so."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent

# A Unix socket's path holds 107 bytes on Linux and 103 on macOS; the longest in this directory is
# message_orchestrator/gunicorn.ctl.
_LONGEST_SOCKET_DIR = 65


@dataclass(frozen=True, slots=True)
class State:
    """The files of one stack. Two stacks with different directories run side by side."""

    root: Path

    @classmethod
    def from_environment(cls) -> "State":
        """The directory named by YACHTPARTY_STATE_DIR, relative to the project's root."""
        return cls((PROJECT_ROOT / os.environ.get("YACHTPARTY_STATE_DIR", ".local")).resolve())

    @property
    def lock(self) -> Path:
        """Held by the running stack; contains its process id."""
        return self.root / "lock"

    @property
    def stack_file(self) -> Path:
        """Present while the stack is ready: where everything is."""
        return self.root / "stack.json"

    @property
    def addresses(self) -> Path:
        """The same before readiness and without process ids, for the stack's own processes."""
        return self.root / "addresses.json"

    @property
    def children(self) -> Path:
        """The processes started, so that a later start can end what an earlier one left behind."""
        return self.root / "children.json"

    @property
    def secrets(self) -> Path:
        """Keys made once for this directory."""
        return self.root / "secrets.json"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.root / "logs"

    @property
    def database(self) -> Path:
        """PostgreSQL's data directory."""
        return self.root / "pgdata"

    @property
    def clock(self) -> Path:
        """The local clock's offset in seconds."""
        return self.root / "clock"

    @property
    def sockets(self) -> Path:
        """Unix sockets; elsewhere when the state directory lies too deep for them."""
        beside = self.root / "run"
        if len(os.fsencode(beside)) <= _LONGEST_SOCKET_DIR:
            return beside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"yachtparty-{os.geteuid()}-{digest}"


def write_private_json(path: Path, content: Mapping[str, object]) -> None:
    """Replace `path` in one step; only its owner may read it."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    beside.replace(path)
