"""What a function's process loads: the webhook must start fast (architecture.md, "Layers")."""

import json
import os
import subprocess
import sys

import pytest
from pydantic_settings import BaseSettings

import main
from lib.core.settings import (
    EmailSettings,
    MailProviderSettings,
    ModelSettings,
    SettingsError,
    SupabaseSettings,
    TwilioSettings,
    load,
)
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


@pytest.mark.parametrize("missing", sorted(ENVIRONMENT))
def test_each_required_variable_is_named_when_it_is_missing(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    groups: tuple[type[BaseSettings], ...] = (
        SupabaseSettings,
        TwilioSettings,
        ModelSettings,
        EmailSettings,
        MailProviderSettings,
    )
    (group,) = (g for g in groups if missing.lower() in g.model_fields)
    with pytest.raises(SettingsError, match=f"^{missing} is missing.$"):
        load(group)


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
        load(TwilioSettings)
    assert str(caught.value) == "TWILIO_NUMBER is malformed."
    assert caught.value.__cause__ is None
