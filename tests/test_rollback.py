"""Going back: to one moment for all functions, or not at all. gcloud is a simulated one here."""

import json
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import main
from terraform import rollback

SERVICES = [name.replace("_", "-") for name in main.FUNCTIONS]
WHERE = ["--project=p", "--region=us-east1"]


def revision(service: str, nth: int, image: str, hour: int, ready: bool = True) -> dict[str, Any]:
    """As `gcloud run revisions list --format=json` shows one."""
    return {
        "metadata": {
            "name": f"{service}-{nth:05}-abc",
            "creationTimestamp": f"2026-11-30T{hour:02}:00:00.123456Z",
        },
        "status": {
            "imageDigest": f"us-east1-docker.pkg.dev/p/functions/{service}@sha256:{image}",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


class Gcloud:
    """The simulated gcloud: every function has three revisions, the last two of one image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "gcloud"
        source = Path(__file__).parent / "support" / "fake_gcloud.py"
        program.write_text(f"#!{sys.executable}\n{source.read_text()}")
        program.chmod(0o755)
        self.state: dict[str, Any] = {
            service: [
                revision(service, 2, "new", 18),
                revision(service, 1, "old", 9),
                revision(service, 3, "new", 19),
            ]
            for service in SERVICES
        }
        self.save()

    def save(self) -> None:
        (self.folder / "revisions.json").write_text(json.dumps(self.state))

    def moved(self) -> dict[str, str]:
        """What each service was told to serve."""
        asked = [
            json.loads(line) for line in (self.folder / "asked.jsonl").read_text().splitlines()
        ]
        return {a[3]: a[4] for a in asked if a[2] == "update-traffic"}


@pytest.fixture
def gcloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gcloud:
    fake = Gcloud(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return fake


def test_every_function_serves_the_newest_revision_of_the_code_before(gcloud: Gcloud) -> None:
    assert rollback.main(WHERE) == 0
    assert gcloud.moved() == {s: f"--to-revisions={s}-00001-abc=100" for s in SERVICES}


def test_every_function_serves_what_it_served_at_a_moment(gcloud: Gcloud) -> None:
    assert rollback.main([*WHERE, "--before=2026-11-30T18:30"]) == 0
    assert gcloud.moved() == {s: f"--to-revisions={s}-00002-abc=100" for s in SERVICES}


def test_a_revision_that_never_started_is_passed_over(gcloud: Gcloud) -> None:
    gcloud.state["event-processor"].append(revision("event-processor", 4, "broken", 17, False))
    gcloud.save()
    assert rollback.main(WHERE) == 0
    assert gcloud.moved()["event-processor"] == "--to-revisions=event-processor-00001-abc=100"


def test_nothing_is_moved_when_what_one_function_served_before_never_started(
    gcloud: Gcloud, capsys: pytest.CaptureFixture[str]
) -> None:
    gcloud.state[SERVICES[-1]] = [
        revision(SERVICES[-1], 1, "old", 9, ready=False),
        revision(SERVICES[-1], 2, "new", 18),
    ]
    gcloud.save()
    assert rollback.main(WHERE) == 1
    said = capsys.readouterr().err
    assert said == f"{SERVICES[-1]} has no older revision that works: nothing was changed.\n"
    assert gcloud.moved() == {}


@pytest.mark.parametrize("revisions", [0, 1], ids=["failed to deploy", "deployed"])
@pytest.mark.parametrize("moment", [[], ["--before=2026-11-30T17:00"]])
def test_a_function_that_the_release_added_is_named_and_left(
    gcloud: Gcloud, capsys: pytest.CaptureFixture[str], moment: list[str], revisions: int
) -> None:
    gcloud.state[SERVICES[-1]] = [revision(SERVICES[-1], 1, "new", 18)][:revisions]
    gcloud.save()
    assert rollback.main([*WHERE, *moment]) == 0
    assert f"{SERVICES[-1]} was not there before: it is left as it is." in capsys.readouterr().out
    assert gcloud.moved() == {s: f"--to-revisions={s}-00001-abc=100" for s in SERVICES[:-1]}


def test_a_first_deployment_has_nothing_to_go_back_to(
    gcloud: Gcloud, capsys: pytest.CaptureFixture[str]
) -> None:
    for service in SERVICES:
        gcloud.state[service] = [revision(service, 1, "new", 18)]
    gcloud.save()
    assert rollback.main(WHERE) == 1
    assert "no older revision, nothing was changed." in capsys.readouterr().err
    assert gcloud.moved() == {}


class TestAfterOneFunctionWasDeployedAlone:
    """`make deploy` at 18:00, then `make deploy-function NAME=event_processor` at 20:00."""

    @pytest.fixture(autouse=True)
    def deployed_alone(self, gcloud: Gcloud) -> None:
        gcloud.state["event-processor"].append(revision("event-processor", 4, "newest", 20))
        gcloud.save()

    def test_there_is_no_deployment_to_go_back_before(
        self, gcloud: Gcloud, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert rollback.main(WHERE) == 1
        said = capsys.readouterr().err
        assert said.startswith("The functions were not deployed together (")
        assert "event-processor 2026-11-30 20:00" in said
        assert "twilio-webhook 2026-11-30 18:00" in said
        assert gcloud.moved() == {}

    def test_the_one_function_goes_back_alone_and_forward_again(self, gcloud: Gcloud) -> None:
        assert rollback.main([*WHERE, "--name=event_processor"]) == 0
        assert gcloud.moved() == {"event-processor": "--to-revisions=event-processor-00003-abc=100"}
        assert rollback.main([*WHERE, "--name=event_processor", "--latest"]) == 0
        assert gcloud.moved() == {"event-processor": "--to-latest"}

    def test_all_go_back_to_a_moment_that_is_named(self, gcloud: Gcloud) -> None:
        assert rollback.main([*WHERE, "--before=2026-11-30T17:00"]) == 0
        assert gcloud.moved() == {s: f"--to-revisions={s}-00001-abc=100" for s in SERVICES}


def test_a_refusal_in_between_says_what_was_moved(
    gcloud: Gcloud, capsys: pytest.CaptureFixture[str]
) -> None:
    gcloud.state["refuses"] = SERVICES[1]
    gcloud.save()
    assert rollback.main(WHERE) == 1
    said = capsys.readouterr().err
    assert "PERMISSION_DENIED" in said
    assert f"Moved before that: {SERVICES[0]}." in said


def test_the_latest_revision_is_served_again(gcloud: Gcloud) -> None:
    assert rollback.main([*WHERE, "--latest"]) == 0
    assert gcloud.moved() == dict.fromkeys(SERVICES, "--to-latest")


def test_without_gcloud_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("gcloud") is None
    assert rollback.main(WHERE) == 1
    assert capsys.readouterr().err == "gcloud is not installed.\n"


def test_a_time_without_an_offset_is_utc() -> None:
    given = rollback._moment("2026-11-30T18:30")
    assert given == datetime(2026, 11, 30, 18, 30, tzinfo=UTC)
