"""Calls that are not Twilio's, and calls without their fields: refused, changing nothing."""

from urllib.parse import urlencode

import httpx
import pytest

from tests.support.stack import StackUnderTest
from tests.support.texting import Phone, new_sid, post_form, unchanged


@pytest.mark.parametrize("signature", [None, "", "bm90IHR3aWxpbw==", "ü"])
def test_a_call_without_twilios_signature_gets_403_and_changes_nothing(
    stack: StackUnderTest, signature: str | None
) -> None:
    phone = Phone(stack)
    with unchanged(stack):
        url = stack.description["functions"]["twilio_webhook"]
        body = httpx.QueryParams(phone.form("hi"))
        headers: dict[bytes, bytes] = {b"Content-Type": b"application/x-www-form-urlencoded"}
        if signature is not None:
            headers[b"X-Twilio-Signature"] = signature.encode()
        for target in (url, f"{url}?a=b", stack.description["functions"]["twilio_status"]):
            answer = httpx.post(target, content=str(body), headers=headers)
            assert answer.status_code == 403
            assert answer.text == "The signature is not Twilio's."
    assert not phone.rows("select 1 from users where phone_number = %s", phone.number)


def test_a_signature_over_another_form_or_address_gets_403(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    form = phone.form("hi")
    url = stack.description["functions"]["twilio_webhook"]
    with unchanged(stack):
        assert phone.post(form | {"Body": "other"}, phone.sign(url, form)).status_code == 403
        assert phone.post(form, phone.sign(url + "/", form)).status_code == 403


def test_a_signed_call_that_was_changed_on_its_way_gets_403(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    form = phone.form("hi there")
    url = stack.description["functions"]["twilio_webhook"]
    signature = phone.sign(url, form)
    with unchanged(stack):
        stranger = Phone(stack).number
        changed = [
            form | {"From": stranger},
            form | {"Extra": "1"},
            {name: value for name, value in form.items() if name != "NumMedia"},
        ]
        for altered in changed:
            assert phone.post(altered, signature).status_code == 403
        with_query = post_form(f"{url}?x=1", urlencode(form).encode(), signature)
        assert with_query.status_code == 403
        for_receipts = stack.description["functions"]["twilio_status"]
        assert post_form(for_receipts, urlencode(form).encode(), signature).status_code == 403


@pytest.mark.parametrize("missing", ["MessageSid", "From", "To", "Body"])
def test_a_missing_field_gets_400_with_one_clear_sentence_and_changes_nothing(
    stack: StackUnderTest, missing: str
) -> None:
    phone = Phone(stack)
    with unchanged(stack):
        form = phone.form("hi")
        del form[missing]
        answer = phone.post(form)
        assert (answer.status_code, answer.text) == (400, f"The field {missing} is missing.")


@pytest.mark.parametrize("missing", ["MessageSid", "From", "To"])
def test_a_blank_field_is_a_missing_one(stack: StackUnderTest, missing: str) -> None:
    phone = Phone(stack)
    with unchanged(stack):
        answer = phone.post(phone.form("hi", **{missing: " "}))
        assert (answer.status_code, answer.text) == (400, f"The field {missing} is missing.")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("MessageSid", b"SM123"),
        ("MessageSid", b"SM" + b"a" * 31 + b"\x00"),
        ("From", b"+1212555\x00100"),
        ("From", b"'; drop table users; --"),
        ("From", b"\xed\xa0\x80"),
        ("NumMedia", b"-1"),
        ("NumMedia", b"9" * 5000),
    ],
)
def test_a_malformed_field_gets_400_and_changes_nothing(
    stack: StackUnderTest, field: str, value: bytes
) -> None:
    phone = Phone(stack)
    with unchanged(stack):
        answer = phone.post_bytes(**{"Body": b"hi", field: value})
        assert answer.status_code == 400
        assert answer.text.count(".") == 1
        assert field in answer.text


def test_a_body_that_is_no_form_or_an_endless_one_is_refused(stack: StackUnderTest) -> None:
    url = stack.description["functions"]["twilio_webhook"]
    with unchanged(stack):
        assert post_form(url, b"\x00\xff{not a form", "bm8=").status_code == 403
        assert post_form(url, b"Body=" + b"x" * 300_000, "bm8=").status_code == 413
        assert post_form(url, b"&".join([b"a=b"] * 300), "bm8=").status_code in (400, 403)
        assert httpx.post(url, json={"Body": "hi"}).status_code == 403


def test_a_receipt_without_its_fields_gets_400_and_changes_nothing(stack: StackUnderTest) -> None:
    phone = Phone(stack)
    with unchanged(stack):
        url = stack.description["functions"]["twilio_status"]
        form = {"MessageSid": new_sid()}
        answer = post_form(url, str(httpx.QueryParams(form)).encode(), phone.sign(url, form))
        assert (answer.status_code, answer.text) == (400, "The field MessageStatus is missing.")
    sid = form["MessageSid"]
    assert not phone.rows("select 1 from events where payload ->> 'sid' = %s", sid)


@pytest.mark.parametrize("function", ["twilio_webhook", "twilio_status"])
def test_a_webhook_takes_post_only(stack: StackUnderTest, function: str) -> None:
    url = stack.description["functions"][function]
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert httpx.request(method, url).status_code == 405
