"""What operators are told to do exists: targets, alerts, functions and files."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import main

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
MONITORING = (ROOT / "terraform" / "monitoring.tf").read_text(encoding="utf-8")


def test_every_target_that_is_named_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    there = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^ +|`|; )make ([a-z-]+)", DOCUMENT, re.MULTILINE))
    assert {"deploy", "plan", "smoke", "rollback", "logs", "migrate", "audit", "sbom"} <= named
    assert named <= there


def test_every_alert_has_a_runbook_of_its_name_and_no_runbook_is_about_nothing() -> None:
    alerts = set(re.findall(r'^    "([^"]+)" = \{$', MONITORING, re.MULTILINE))
    alerts |= set(re.findall(r'display_name += "([A-Z][^"$]+ [^"$]+)"', MONITORING))
    section = DOCUMENT[DOCUMENT.index("\n## Alerts\n") : DOCUMENT.index("\n## Secrets\n")]
    assert set(re.findall(r"^### (.+)$", section, re.MULTILINE)) == alerts


def test_what_is_restarted_after_a_rotation_are_the_functions() -> None:
    listed = re.search(r"for f in (.+?); do gcloud run", DOCUMENT, re.DOTALL)
    assert listed
    names = listed[1].replace("\\", " ").split()
    assert names == [name.replace("_", "-") for name in main.FUNCTIONS]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["plan"], "PROJECT or REGION is missing"),
        (["deploy", "PROJECT=p"], "PROJECT or REGION is missing"),
        (["deploy-function", "NAME=nobody", "PROJECT=p", "REGION=r"], "NAME is no function"),
        (["rollback", "PROJECT=p"], "PROJECT or REGION is missing"),
        (["rollback", "NAME=nobody", "PROJECT=p", "REGION=r"], "NAME is no function"),
        (["logs"], "PROJECT is missing"),
    ],
)
def test_what_a_target_lacks_is_one_sentence(arguments: list[str], sentence: str) -> None:
    done = subprocess.run(
        ["make", "--silent", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith(sentence)


def test_a_machine_with_neither_terraform_nor_its_offline_check_is_told_what_is_skipped(
    tmp_path: Path,
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    make = shutil.which("make")
    assert make
    done = subprocess.run(
        [make, "--silent", "check-terraform"],
        cwd=tmp_path,
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "SKIPPED"), done.stderr


def test_lines_are_shown_the_newest_last_as_a_terminal_is_read() -> None:
    entries = [
        {"timestamp": f"2026-11-30T20:0{n}:00Z", "jsonPayload": {"message": str(n)}}
        for n in (3, 2, 1)
    ]
    done = subprocess.run(
        [sys.executable, "-m", "terraform.lines"],
        cwd=ROOT,
        input=json.dumps(entries),
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["1", "2", "3"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--order=desc" in makefile


def test_what_gcloud_deploys_is_served_at_once_and_seen_by_terraform() -> None:
    """After a rollback, too; and the next `make deploy` undoes it."""
    asked = ["deploy-function", "NAME=event_processor", "PROJECT=p", "REGION=r"]
    done = subprocess.run(
        ["make", "--silent", "--dry-run", *asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    command = done.stdout[done.stdout.index("gcloud functions deploy event-processor") :]
    assert "--serve-all-traffic-latest-revision" in command
    told = re.search(r"--update-build-env-vars=(\w+)=", command)
    functions = (ROOT / "terraform" / "functions.tf").read_text(encoding="utf-8")
    builds = re.search(
        r"  build_config \{.+?environment_variables = \{(.+?)\}", functions, re.DOTALL
    )
    assert told
    assert builds
    assert f"{told[1]} = local.version" in builds[1]


def test_a_tool_that_is_not_installed_is_named(tmp_path: Path) -> None:
    for tool in ("make", "sh"):
        found = shutil.which(tool)
        assert found
        (tmp_path / tool).symlink_to(found)
    for target, tool in (("deploy", "terraform"), ("rollback", "gcloud")):
        done = subprocess.run(
            [
                *(tmp_path / "make", "--silent", target, "PROJECT=p", "REGION=us-east1"),
                f"PYTHON={sys.executable}",
            ],
            cwd=ROOT,
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert done.stderr.splitlines()[0].startswith(f"{tool} is not installed")
