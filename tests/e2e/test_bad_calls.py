"""Calls that are not Twilio's, and calls without their fields: refused, changing nothing."""

import httpx
import pytest

from tests.support.stack import StackUnderTest
from tests.support.texting import Phone, counts, new_sid, post_form


@pytest.mark.parametrize("signature", [None, "", "bm90IHR3aWxpbw==", "ü"])
def test_a_call_without_twilios_signature_gets_403_and_changes_nothing(
    stack: StackUnderTest, signature: str | None
) -> None:
    phone = Phone(stack)
    before = counts(stack)
    url = stack.description["functions"]["twilio_webhook"]
    body = httpx.QueryParams(phone.form("hi"))
    headers: dict[bytes, bytes] = {b"Content-Type": b"application/x-www-form-urlencoded"}
    if signature is not None:
        headers[b"X-Twilio-Signature"] = signature.encode()
    for target in (url, f"{url}?a=b", stack.description["functions"]["twilio_status"]):
        answer = httpx.post(target, content=str(body), headers=headers)
        assert answer.status_code == 403
        assert answer.text == "The signature is not Twilio's."
    assert counts(stack) == before
    assert not phone.rows("select 1 from users where phone_number = %s", phone.number)


def test_a_signature_over_another_form_or_address_gets_403(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    form = phone.form("hi")
    url = stack.description["functions"]["twilio_webhook"]
    before = counts(stack)
    assert phone.post(form | {"Body": "other"}, phone.sign(url, form)).status_code == 403
    assert phone.post(form, phone.sign(url + "/", form)).status_code == 403
    assert counts(stack) == before


@pytest.mark.parametrize("missing", ["MessageSid", "From", "Body"])
def test_a_missing_field_gets_400_with_one_clear_sentence_and_changes_nothing(
    stack: StackUnderTest, missing: str
) -> None:
    phone = Phone(stack)
    before = counts(stack)
    form = phone.form("hi")
    del form[missing]
    answer = phone.post(form)
    assert (answer.status_code, answer.text) == (400, f"The field {missing} is missing.")
    assert counts(stack) == before


def test_a_receipt_without_its_fields_gets_400_and_changes_nothing(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    before = counts(stack)
    url = stack.description["functions"]["twilio_status"]
    form = {"MessageSid": new_sid()}
    answer = post_form(url, str(httpx.QueryParams(form)).encode(), phone.sign(url, form))
    assert (answer.status_code, answer.text) == (400, "The field MessageStatus is missing.")
    assert counts(stack) == before
    sid = form["MessageSid"]
    assert not phone.rows("select 1 from events where payload ->> 'sid' = %s", sid)


@pytest.mark.parametrize("function", ["twilio_webhook", "twilio_status"])
def test_a_webhook_takes_post_only(stack: StackUnderTest, function: str) -> None:
    assert httpx.get(stack.description["functions"][function]).status_code == 405
