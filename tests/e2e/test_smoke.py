"""`make smoke`: tells a system that answers from one that does not."""

import pytest

from terraform import smoke
from tests.support.stack import StackUnderTest

FICTIONAL = "+12125550198"


@pytest.fixture
def deployed(stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> StackUnderTest:
    """The stack, named by variables as a deployment is."""
    twilio = stack.description["twilio"]
    for name, value in {
        "TWILIO_WEBHOOK_URL": stack.description["functions"]["twilio_webhook"] + "#rc=5",
        "TWILIO_API_URL": twilio["url"],
        "TWILIO_ACCOUNT_SID": twilio["account_sid"],
        "TWILIO_AUTH_TOKEN": twilio["auth_token"],
        "TWILIO_NUMBER": twilio["number"],
        "PHONE": FICTIONAL,
    }.items():
        monkeypatch.setenv(name, value)
    return stack


@pytest.mark.usefixtures("deployed")
def test_a_deployment_that_answers_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke.main() == 0
    assert "a signed text was taken and answered after" in capsys.readouterr().out


def test_the_local_stack_is_found_by_itself(
    stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TWILIO_WEBHOOK_URL", raising=False)
    monkeypatch.setenv("YACHTPARTY_STATE_DIR", str(stack.directory))
    assert smoke.main() == 0


@pytest.mark.usefixtures("deployed")
def test_a_webhook_that_refuses_the_signature_fails_and_says_so(
    stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = stack.description["functions"]["twilio_webhook"]
    # Twilio takes this address for the same; what is signed is another one.
    monkeypatch.setenv("TWILIO_WEBHOOK_URL", url.replace("127.0.0.1", "localhost"))
    assert smoke.main() == 1
    assert "The webhook answered 403" in capsys.readouterr().err


@pytest.mark.usefixtures("deployed")
def test_a_missing_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PHONE")
    assert smoke.main() == 2
    assert capsys.readouterr().err.startswith("PHONE is missing")


@pytest.mark.usefixtures("deployed")
def test_a_text_that_is_not_answered_fails(stack: StackUnderTest) -> None:
    twilio = stack.description["twilio"]
    system = smoke.System(
        webhook=stack.description["functions"]["twilio_webhook"],
        twilio=twilio["url"],
        account_sid=twilio["account_sid"],
        auth_token=twilio["auth_token"],
        number=twilio["number"],
        phone=FICTIONAL,
    )
    with pytest.raises(smoke.SmokeError, match="taken, and not answered within 0 s"):
        smoke.smoke(system, within_s=0)
