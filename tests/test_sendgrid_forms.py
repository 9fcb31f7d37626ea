"""Reading the mail provider's calls: who signed them, and which domains it found good."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from lib.adapters.bad_call import BadCall
from lib.adapters.sendgrid_forms import (
    MAX_CALL,
    MAX_HEADERS,
    SIGNATURE_HEADER,
    TIME_HEADER,
    MailForms,
    ReceivedMail,
)
from lib.core.settings import MailProviderSettings, SettingsError
from local.mail import encoded, signed_headers
from tests.support.mail import PRIVATE_KEY, PUBLIC_KEY, mail_form

FORMS = MailForms(MailProviderSettings(sendgrid_public_key=PUBLIC_KEY))
FORM = mail_form("ida@fjord.test", "verify+abc@in.yachtparty.test")


def read(form: dict[str, str], method: str = "POST") -> ReceivedMail:
    content_type, body = encoded(form)
    signed = signed_headers(PRIVATE_KEY, body)
    return FORMS.read(method, content_type, signed[SIGNATURE_HEADER], signed[TIME_HEADER], body)


def refused(content_type: str, signature: str, time: str, body: bytes) -> int:
    with pytest.raises(BadCall) as caught:
        FORMS.read("POST", content_type, signature, time, body)
    assert caught.value.sentence.count(".") == 1
    return caught.value.status


def test_a_signed_form_is_read() -> None:
    mail = read(FORM)
    assert mail.headers == FORM["headers"]
    assert mail.signed_by == {"fjord.test"}


def test_a_form_in_sendgrids_own_words_is_read() -> None:
    body = (
        b'--xYzZY\r\nContent-Disposition: form-data; name="headers"\r\n\r\nTo: a@b.test\n\r\n'
        b'--xYzZY\r\nContent-Disposition: form-data; name="dkim"\r\n\r\n{@fjord.test : pass}\r\n'
        b'--xYzZY\r\nContent-Disposition: form-data; name="attachment1"; filename="logo.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\x00\xff\r\n--xYzZY--\r\n"
    )
    signed = signed_headers(PRIVATE_KEY, body)
    form = "multipart/form-data; boundary=xYzZY"
    mail = FORMS.read("POST", form, signed[SIGNATURE_HEADER], signed[TIME_HEADER], body)
    assert mail == ReceivedMail("To: a@b.test\n", frozenset({"fjord.test"}))


@pytest.mark.parametrize(
    ("results", "domains"),
    [
        ("{@fjord.test : pass}", {"fjord.test"}),
        ("{@Fjord.TEST : Pass}", {"fjord.test"}),
        ("{ida@fjord.test : pass}", {"fjord.test"}),
        ("{@relay.test : fail, @fjord.test : pass}", {"fjord.test"}),
        ("{@relay.test : fail (body has been altered), @fjord.test : pass}", {"fjord.test"}),
        ("{@a.test : pass, @b.test : pass}", {"a.test", "b.test"}),
        ("{@fjord.test : fail}", set()),
        ("{@fjord.test : passed}", set()),
        ("{@fjord.test : neutral}", set()),
        ("none", set()),
        ("pass", set()),
        ("", set()),
        ("{}", set()),
        ("@fjord.test : pass", set()),
        ('{"@fjord.test" : "pass"}', set()),
        ("{@evil.test : invalid (public key: {@fjord.test : pass})}", set()),
        ("{@evil.test : invalid (, @fjord.test : pass)}", set()),
        ("{@evil.test : invalid (x), @fjord.test : pass", set()),
        ("{@evil.test : pass\n@fjord.test : pass}", set()),
        ("{@evil.test : pass} {@fjord.test : pass}", set()),
        ("{@evil.test@fjord.test : pass}", set()),
        ("{" + ", ".join(["@fjord.test : pass"] * 500) + "}", set()),
    ],
)
def test_only_results_that_are_whole_and_good_vouch_for_a_domain(
    results: str, domains: set[str]
) -> None:
    assert read(FORM | {"dkim": results}).signed_by == domains


def test_a_call_that_was_not_signed_by_the_provider_or_was_changed_is_refused() -> None:
    content_type, body = encoded(FORM)
    good = signed_headers(PRIVATE_KEY, body)
    signature, time = good[SIGNATURE_HEADER], good[TIME_HEADER]
    stranger = base64.b64encode(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
        )
    ).decode()
    forged = signed_headers(stranger, body)
    for wrong in (
        ("", time, body),
        ("bm8=", time, body),
        ("\u00fc", time, body),
        (signature[:-4] + "AAA=", time, body),
        (signature, "", body),
        (signature, time + "0", body),
        (signature, "\u0661", body),
        (signature, time, body.replace(b"fjord", b"flord")),
        (signature, time, body + b" "),
        (signature, time, b""),
        (forged[SIGNATURE_HEADER], forged[TIME_HEADER], body),
    ):
        assert refused(content_type, *wrong) == 403


def test_a_signed_body_that_is_no_form_is_refused_or_a_mail_of_nobodys() -> None:
    for content_type, body in (
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=a", b"--b\r\n\r\n"),
        ("multipart/form-data; boundary=a", b"--a\r\n" * 300),
    ):
        signed = signed_headers(PRIVATE_KEY, body)
        assert refused(content_type, signed[SIGNATURE_HEADER], signed[TIME_HEADER], body) == 400
    body = b'{"headers": "From: ida@fjord.test"}'
    signed = signed_headers(PRIVATE_KEY, body)
    mail = FORMS.read(
        "POST", "application/json", signed[SIGNATURE_HEADER], signed[TIME_HEADER], body
    )
    assert mail == ReceivedMail("", frozenset())


def test_a_form_without_the_fields_is_a_mail_of_nobodys() -> None:
    assert read({"subject": "x"}) == ReceivedMail("", frozenset())
    assert read(FORM | {"headers": "X: " + "y" * MAX_HEADERS}).headers == ""


def test_too_much_and_other_methods_are_refused() -> None:
    assert refused("multipart/form-data; boundary=a", "x", "1", b"x" * (MAX_CALL + 1)) == 413
    with pytest.raises(BadCall) as caught:
        read(FORM, "GET")
    assert caught.value.status == 405


def test_a_key_of_another_kind_is_no_key_of_the_providers() -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    other = generate_private_key(65537, 2048).public_key()
    key = base64.b64encode(other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    for wrong in (key.decode()[:300], "A" * 100):
        with pytest.raises(SettingsError, match=r"^SENDGRID_PUBLIC_KEY is malformed\.$"):
            MailForms(MailProviderSettings(sendgrid_public_key=wrong))
