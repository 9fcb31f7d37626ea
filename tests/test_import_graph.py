"""What a function's process loads: the webhook must start fast (architecture.md, "Layers")."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

import main
from lib.core.settings import Settings, SettingsError, TwilioAccountSettings, load
from tests.support.mail import PUBLIC_KEY

#: Well-formed and fictitious: importing an entry point reads settings but calls nobody.
ENVIRONMENT = {
    "SUPABASE_URL": "http://127.0.0.1:9",
    "SUPABASE_SERVICE_ROLE_KEY": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "TWILIO_NUMBER": "+12125550100",
    "TWILIO_WEBHOOK_URL": "http://127.0.0.1:9/twilio_webhook",
    "TWILIO_STATUS_URL": "http://127.0.0.1:9/twilio_status",
    "ANTHROPIC_API_KEY": "key",
    "EMAIL_TOKEN_SECRET": "s" * 32,
    "EMAIL_DOMAIN": "in.yachtparty.test",
    "SENDGRID_PUBLIC_KEY": PUBLIC_KEY,
}


def run(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def modules_of(function: str) -> set[str]:
    done = run(
        f"import json, sys, main; main.{function}; print(json.dumps(list(sys.modules)))",
        ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("function", ["twilio_webhook", "twilio_status", "email_webhook"])
def test_a_webhook_loads_neither_anthropic_nor_the_twilio_client_nor_google_cloud(
    function: str,
) -> None:
    loaded = modules_of(function)
    # An empty google.cloud stands in every process: functions-framework's .pth file puts it there.
    heavy = ("anthropic", "twilio.rest", "google.cloud.", "phonenumbers")
    assert not {m for m in loaded if m.startswith(heavy)}


def test_the_orchestrator_loads_anthropic_only_when_there_is_a_text_to_judge() -> None:
    assert not {m for m in modules_of("message_orchestrator") if m.startswith("anthropic")}


def test_the_orchestrator_says_at_its_start_that_it_cannot_judge() -> None:
    rest = {name: value for name, value in ENVIRONMENT.items() if name != "ANTHROPIC_API_KEY"}
    done = run("import main; main.message_orchestrator", rest)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].endswith("ANTHROPIC_API_KEY is missing.")


def test_the_processor_does_load_them_so_the_check_can_fail() -> None:
    assert {"anthropic", "twilio.rest"} <= modules_of("event_processor")


@pytest.mark.parametrize("function", main.FUNCTIONS)
def test_every_function_has_a_module_of_its_name_that_says_what_triggers_it(function: str) -> None:
    done = run(f"import functions.{function} as m; print(m.__doc__)", ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{function}: ")
    assert "Trigger:" in done.stdout
    assert "Answers:" in done.stdout


def test_a_missing_variable_ends_the_start_with_one_sentence_that_names_it() -> None:
    rest = {name: value for name, value in ENVIRONMENT.items() if name != "TWILIO_AUTH_TOKEN"}
    done = run("import main; main.twilio_webhook", rest)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].endswith("TWILIO_AUTH_TOKEN is missing.")


def groups_of(base: type[Settings] = Settings) -> Iterator[type[Settings]]:
    """Every group of settings."""
    for group in base.__subclasses__():
        yield group
        yield from groups_of(group)


REQUIRED = [
    (name.upper(), group)
    for group in groups_of()
    for name, field in group.model_fields.items()
    if field.is_required()
]


@pytest.mark.parametrize(
    ("missing", "group"), REQUIRED, ids=[f"{name} {group.__name__}" for name, group in REQUIRED]
)
def test_each_required_variable_is_named_when_it_is_missing(
    missing: str, group: type[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    with pytest.raises(SettingsError, match=f"^{missing} is missing.$"):
        load(group)


def test_every_variable_that_is_given_here_is_required_by_some_group() -> None:
    assert {name for name, _ in REQUIRED} == set(ENVIRONMENT)


#: What each function cannot start without. What it is not listed with, it must start without.
NEEDED = {
    "twilio_webhook": {"TWILIO_AUTH_TOKEN", "TWILIO_WEBHOOK_URL"},
    "twilio_status": {"TWILIO_AUTH_TOKEN", "TWILIO_STATUS_URL"},
    "email_webhook": {"EMAIL_TOKEN_SECRET", "EMAIL_DOMAIN", "SENDGRID_PUBLIC_KEY"},
    "event_sweeper": {"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_NUMBER"},
}


@pytest.mark.parametrize(("function", "needed"), NEEDED.items())
def test_a_function_starts_without_what_only_others_need(function: str, needed: set[str]) -> None:
    needed = needed | {"SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"}
    given = {name: value for name, value in ENVIRONMENT.items() if name in needed}
    done = run(f"import main; main.{function}", given)
    assert done.returncode == 0, done.stderr


def test_a_malformed_topic_ends_the_start_of_a_function_that_publishes() -> None:
    done = run("import main; main.twilio_webhook", ENVIRONMENT | {"PUBSUB_TOPIC": "events"})
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].endswith("PUBSUB_TOPIC is malformed.")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_TOKEN_SECRET", "too short"),
        ("EMAIL_DOMAIN", "verify@in.example.test"),
        ("SENDGRID_PUBLIC_KEY", "no key"),
        ("SENDGRID_PUBLIC_KEY", "A" * 120),
    ],
)
def test_a_malformed_setting_of_the_mail_ends_the_start_with_its_name(
    name: str, value: str
) -> None:
    done = run("import main; main.email_webhook", ENVIRONMENT | {name: value})
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].endswith(f"{name} is malformed.")
    assert value not in done.stderr.splitlines()[-1]


def test_a_malformed_variable_is_named_and_its_value_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TWILIO_NUMBER", "0171-secret")
    with pytest.raises(SettingsError) as caught:
        load(TwilioAccountSettings)
    assert str(caught.value) == "TWILIO_NUMBER is malformed."
    assert caught.value.__cause__ is None
