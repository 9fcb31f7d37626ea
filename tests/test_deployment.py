"""What is deployed (terraform/system.yaml) against what the code reads, both ways."""

import ast
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

import main
from lib.core import settings
from lib.core.settings import PubSubSettings, RuntimeSettings
from lib.engine.registry import EVENT_TYPES
from local.schedules import CALL_TIMEOUT_S, JOBS
from terraform import archive
from tests.test_import_graph import ENVIRONMENT

ROOT = Path(__file__).parent.parent
SYSTEM = yaml.safe_load((ROOT / "terraform" / "system.yaml").read_text(encoding="utf-8"))
FUNCTIONS: dict[str, dict[str, Any]] = SYSTEM["functions"]

#: Settings that exist for one machine, for tests, or to try something by hand.
NEVER_DEPLOYED = {
    "TWILIO_API_URL",
    "ANTHROPIC_BASE_URL",
    "PUBSUB_EMULATOR_HOST",
    "LOCAL_CLOCK_FILE",
    "SWEEP_FOR_S",
}
#: OpenTelemetry's variables are read by its own packages: this one turns it on.
OF_TELEMETRY = {"OTEL_EXPORTER_OTLP_ENDPOINT"}


def given(function: str) -> set[str]:
    """The variables that a function is deployed with."""
    table = FUNCTIONS[function]
    return {*table["env"], *table["secrets"], *SYSTEM["env"]}


@cache
def read(function: str) -> frozenset[str]:
    """The variables that a function's settings read: those of every group that it loads."""
    code = (
        "import json; from lib.core import settings; loaded = []; load = settings.load\n"
        "def record(kind):\n"
        "    loaded.append(kind)\n"
        "    return load(kind)\n"
        "settings.load = record\n"
        f"import main; main.{function}\n"
        "print(json.dumps(sorted({n.upper() for kind in loaded for n in kind.model_fields})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(json.loads(done.stdout))


def test_every_function_is_deployed_and_no_other() -> None:
    assert list(FUNCTIONS) == list(main.FUNCTIONS)


@pytest.mark.parametrize("function", main.FUNCTIONS)
def test_a_function_is_given_what_it_reads_and_nothing_else(function: str) -> None:
    assert given(function) - OF_TELEMETRY == read(function) - NEVER_DEPLOYED


@pytest.mark.parametrize("function", main.FUNCTIONS)
def test_what_is_secret_in_the_code_is_out_of_secret_manager(function: str) -> None:
    secret = {
        name.upper()
        for _, group in inspect.getmembers(settings, inspect.isclass)
        if issubclass(group, settings.Settings)
        for name, field in group.model_fields.items()
        if field.annotation is SecretStr
    }
    assert set(FUNCTIONS[function]["secrets"]) == read(function) & secret


def test_every_variable_that_the_code_reads_by_itself_is_known_here() -> None:
    """`os.environ` in deployed code: only OpenTelemetry's variables, and Cloud Run's own."""
    found = set()
    for name in archive.files():
        if name.endswith(".py"):
            for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
                    found.add(name)
    assert found == {"lib/core/spans.py", "lib/core/trace.py"}
    for name in found:
        source = (ROOT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"environ\.get\(\s*\"(\w+)\"", source)) <= {
            "OTEL_SDK_DISABLED",
            "OTEL_TRACES_EXPORTER",
            "OTEL_SERVICE_NAME",
            "OTEL_RESOURCE_ATTRIBUTES",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "K_SERVICE",
        }


def test_terraform_has_a_value_for_every_plain_variable_and_for_none_that_nobody_is_given() -> None:
    hcl = (ROOT / "terraform" / "functions.tf").read_text(encoding="utf-8")
    block = hcl[hcl.index("  values = merge(") : hcl.index("  # Who may call")]
    valued = set(re.findall(r"^ +([A-Z][A-Z0-9_]+) += ", block, re.MULTILINE))
    valued |= {topic["env"] for topic in SYSTEM["topics"].values()}
    plain = {name for function in FUNCTIONS.values() for name in function["env"]}
    assert valued == plain | set(SYSTEM["env"])


@pytest.mark.parametrize("function", main.FUNCTIONS)
def test_a_function_is_called_by_what_its_module_says(function: str) -> None:
    source = (ROOT / "functions" / f"{function}.py").read_text(encoding="utf-8")
    said = ast.get_docstring(ast.parse(source)) or ""
    trigger = said[said.index("Trigger:") :].split("\nReads:")[0].split("\nDoes:")[0]
    names = {"outside": "HTTPS from", "pubsub": "Pub/Sub push", "scheduler": "Cloud Scheduler"}
    assert FUNCTIONS[function]["called_by"] == [
        caller for caller, words in names.items() if words in trigger
    ]


def test_every_topic_that_the_code_publishes_to_is_there_and_pushes_to_who_takes_pushes() -> None:
    topics = {name.upper() for name in PubSubSettings.model_fields} - NEVER_DEPLOYED
    assert {topic["env"] for topic in SYSTEM["topics"].values()} == topics
    takers = [name for name, table in FUNCTIONS.items() if "pubsub" in table["called_by"]]
    assert [topic["pushes_to"] for topic in SYSTEM["topics"].values()] == takers


def period_of(schedule: str) -> timedelta:
    """The period of a schedule of one of three forms."""
    if schedule == "0 * * * *":
        return timedelta(hours=1)
    minutes = re.fullmatch(r"\*(?:/(\d+))? \* \* \* \*", schedule)
    assert minutes, schedule
    return timedelta(minutes=int(minutes[1] or 1))


def test_the_jobs_are_those_of_the_local_stack() -> None:
    deployed = {
        name: (job["calls"], period_of(job["schedule"]), job.get("body"))
        for name, job in SYSTEM["jobs"].items()
    }
    assert deployed == {name: (job.function, job.period, job.body) for name, job in JOBS.items()}
    # Its jobs wait as long as their functions may run (scheduler.tf).
    assert max(FUNCTIONS[job.function]["timeout_s"] for job in JOBS.values()) == CALL_TIMEOUT_S


def test_every_function_and_event_type_that_waits_for_the_clock_has_a_job() -> None:
    jobs = SYSTEM["jobs"].values()
    by_the_clock = {name for name, table in FUNCTIONS.items() if "scheduler" in table["called_by"]}
    assert {job["calls"] for job in jobs} == by_the_clock
    scheduled = {name for name, type_ in EVENT_TYPES.items() if type_.scheduled}
    assert {job["body"]["event_type"] for job in jobs if "body" in job} == scheduled


@pytest.mark.parametrize("function", main.FUNCTIONS)
def test_a_function_has_more_time_than_its_work_may_take(function: str) -> None:
    module = {
        "event_sweeper": "lib.core.settings.SweepSettings.model_fields['sweep_for_s'].default",
        "message_orchestrator": "functions.message_orchestrator.RUN_S + 30",
        "task_processor": "functions.task_processor.CLAIM_FOR_S + lib.engine.tasks.DECIDE_S",
        "event_processor": "lib.engine.process.LEASE_S",
    }.get(function, "lib.adapters.pubsub.PUBLISH_TIMEOUT_S + 8")
    code = (
        f"import functions.{function}, lib.core.settings, lib.engine.tasks, lib.engine.process,"
        f" lib.adapters.pubsub; print({module})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    assert FUNCTIONS[function]["timeout_s"] > float(done.stdout)


def test_every_function_is_told_the_project_that_its_traces_belong_to() -> None:
    assert "GOOGLE_CLOUD_PROJECT" in SYSTEM["env"]
    assert {"GOOGLE_CLOUD_PROJECT", "LOG_LEVEL"} <= {
        n.upper() for n in RuntimeSettings.model_fields
    }


CHECK = ROOT.parent / "shared" / "terraform-offline" / "check"


@pytest.mark.skipif(not CHECK.exists(), reason="../shared/terraform-offline is not there")
@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
@pytest.mark.timeout(600)
def test_the_configuration_is_valid_and_holds_its_assertions() -> None:
    """The same as `make check-terraform`."""
    archive.write(ROOT / "build" / "source.zip")
    done = subprocess.run(
        [CHECK, ROOT / "terraform"], capture_output=True, text=True, timeout=580, check=False
    )
    assert done.returncode == 0, done.stdout
