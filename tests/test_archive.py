"""The source archive holds exactly what runs, and all that it takes to run."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import main
from terraform import archive
from tests.support.sim_process import free_port
from tests.support.stack import wait_for
from tests.test_import_graph import ENVIRONMENT


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked into an empty folder."""
    folder = tmp_path_factory.mktemp("deployed")
    archive.write(folder / "source.zip")
    archive.unpack(folder / "source.zip", folder / "source")
    return folder / "source"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    """The Python of a fresh environment that has what requirements.txt names, by its hashes."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [
            *(python, "-m", "pip", "install", "--quiet", "--no-compile"),
            *("--require-hashes", "--no-deps"),
            *("--requirement", source / "requirements.txt"),
        ],
        check=True,
        timeout=1500,
    )
    # Nothing is missing that what is installed asks for.
    subprocess.run([python, "-m", "pip", "check"], check=True, stdout=subprocess.DEVNULL)
    return python


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        archive.write(tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_changed_file_makes_another_archive(tmp_path: Path, source: Path) -> None:
    archive.write(tmp_path / "a.zip", source)
    (source / "main.py").write_text((source / "main.py").read_text() + "# changed\n")
    archive.write(tmp_path / "b.zip", source)
    assert (tmp_path / "a.zip").read_bytes() != (tmp_path / "b.zip").read_bytes()


def test_every_module_in_the_archive_is_loaded_by_some_function(source: Path) -> None:
    """Also the ones that are loaded only when they are needed: by all entry points and what they
    import late."""
    late = ["lib.adapters.claude", "lib.core.spans"]
    code = (
        "import json, sys, main\n"
        + "".join(f"main.{name}\n" for name in main.FUNCTIONS)
        + "".join(f"import {name}\n" for name in late)
        + "print(json.dumps([m.__file__ for m in sys.modules.values()"
        " if getattr(m, '__file__', None)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=source,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {Path(file) for file in json.loads(done.stdout)}
    modules = set(source.rglob("*.py"))
    assert modules
    assert sorted(modules - loaded) == []


@pytest.fixture
def served(
    request: pytest.FixtureRequest, source: Path, python: Path
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A function under functions-framework, as Cloud Run starts it; where it is."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(python, "-m", "functions_framework", "--target", request.param),
            *("--source", "main.py", "--host", "127.0.0.1", "--port", str(port)),
        ],
        cwd=source,
        env={"PATH": os.environ["PATH"], **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield f"http://127.0.0.1:{port}/", process
    process.terminate()
    process.wait(30)


#: What each answers to an empty POST where no database is.
EMPTY_POST = {
    "twilio_webhook": 403,
    "twilio_status": 403,
    "email_webhook": 403,
    "event_processor": 400,
    "event_sweeper": 503,
    "task_processor": 503,
    "message_orchestrator": 503,
}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("served", main.FUNCTIONS, indirect=True)
def test_every_function_is_served_from_the_archive_and_requirements_alone(
    request: pytest.FixtureRequest, served: tuple[str, "subprocess.Popen[str]"]
) -> None:
    url, process = served
    name = request.node.callspec.params["served"]

    def answer() -> int | None:
        if process.poll() is not None:
            pytest.fail(process.stdout.read() if process.stdout else "")
        try:
            return httpx.post(url, timeout=60).status_code
        except httpx.ConnectError:
            return None

    assert wait_for(answer, "answer", 300) == EMPTY_POST[name]
