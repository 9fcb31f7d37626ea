"""Who wrote a mail: proven by the domain of the one address in From, over From and To, or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.domain.mail import proven

IDA = "ida@fjord.test"
US = "verify+abc@in.yachtparty.test"
SIGNATURE = "DKIM-Signature: v=1; a=rsa-sha256; d=fjord.test; s=x; h=from:to:subject; b=YQ=="
FJORD = frozenset({"fjord.test"})


def headers(*more: str, sender: str = IDA, to: str = US, signature: str = SIGNATURE) -> str:
    lines = ["Received: from a by b", signature, f"From: {sender}", f"To: {to}", *more]
    return "\n".join(line for line in lines if line) + "\n"


@pytest.mark.parametrize(
    "sender",
    [
        "ida@fjord.test",
        "IDA@FJORD.TEST",
        "<ida@fjord.test>",
        "Ida Berg <ida@fjord.test>",
        '"Berg, Ida" <ida@fjord.test>',
        '"eve@evil.test" <ida@fjord.test>',
        "Ida J. Berg <ida@fjord.test>",
        "=?utf-8?q?Id=C3=A0?= <ida@fjord.test>",
        "ida@fjord.test (Ida Berg)",
        "Ida\n <ida@fjord.test>",
    ],
)
def test_the_one_address_in_from_is_the_sender_however_it_is_written(sender: str) -> None:
    mail = proven(headers(sender=sender), FJORD)
    assert mail is not None
    assert (mail.sender, mail.recipients) == (IDA, (US,))


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "ida",
        "ida@fjord.test, eve@fjord.test",
        "Eve <eve@evil.test>, <ida@fjord.test>",
        "ida@fjord.test <eve@evil.test>",
        '"ida@fjord.test" <eve@evil.test>',
        "=?utf-8?q?ida=40fjord=2Etest?= <eve@evil.test>",
        "<ida@fjord.test> <eve@evil.test>",
        "ida@fjord.test eve@evil.test",
        "Us: ida@fjord.test, eve@fjord.test;",
        "Us: ;",
        "ida@fjord.test@evil.test",
        "ida@evil.test\u0000@fjord.test",
        "\u0131da@fjord.test",
        "ida@fjord.test.evil.test",
        "ida@evil-fjord.test",
        "(" * 900 + "ida@fjord.test",
        '"' + "\\" * 900,
        "<" * 900 + "ida@fjord.test",
        "ida" * 400 + "@fjord.test",
    ],
)
def test_several_senders_and_tricks_with_names_are_no_sender(sender: str) -> None:
    mail = proven(headers(sender=sender), FJORD)
    assert mail is None or mail.sender not in (IDA, "eve@evil.test")


def test_a_second_from_or_to_is_a_trick() -> None:
    assert proven(headers("From: eve@fjord.test"), FJORD) is None
    assert proven(headers("from: ida@fjord.test"), FJORD) is None
    twice = proven(headers("To: verify+xyz@in.yachtparty.test"), FJORD)
    assert twice is not None
    assert twice.recipients == ()


@pytest.mark.parametrize(
    "signed_by",
    [
        set(),
        {"evil.test"},
        {"test"},
        {"mail.fjord.test"},
        {"evil-fjord.test"},
        {"fjord.test.evil.test"},
    ],
)
def test_only_the_domain_in_from_itself_can_vouch_for_it(signed_by: set[str]) -> None:
    assert proven(headers(), frozenset(signed_by)) is None


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "DKIM-Signature: v=1; d=evil.test; h=from:to",
        "DKIM-Signature: v=1; d=fjord.test; h=from:subject",
        "DKIM-Signature: v=1; d=fjord.test; h=to:subject",
        "DKIM-Signature: v=1; d=fjord.test",
        "DKIM-Signature: v=1; d=fjord.test; h=from:reply-to",
        SIGNATURE + "\nDKIM-Signature: v=1; d=fjord.test; h=from",
        "X-DKIM-Signature: v=1; d=fjord.test; h=from:to",
    ],
)
def test_a_mail_to_somebody_else_that_is_sent_on_to_us_proves_nothing(signature: str) -> None:
    assert proven(headers(signature=signature), FJORD) is None


def test_a_signature_is_read_as_it_is_folded_and_in_any_case() -> None:
    folded = "dkim-signature: v=1;\n\td=Fjord.test;\n  h=Subject:From:\n To:To:From"
    assert proven(headers(signature=folded), FJORD) is not None
    relay = SIGNATURE + "\nDKIM-Signature: v=1; d=relay.test; h=from"
    assert proven(headers(signature=relay), frozenset({"fjord.test", "relay.test"})) is not None


def test_all_addresses_in_to_are_recipients() -> None:
    mail = proven(headers(to=f'"Yachtparty, verify" <{US}>, Bo <bo@sea.test>'), FJORD)
    assert mail is not None
    assert mail.recipients == (US, "bo@sea.test")
    nobody = proven(headers(to="undisclosed-recipients:;"), FJORD)
    assert nobody is not None
    assert nobody.recipients == ()


def test_what_a_mail_shows_of_itself_holds_no_address() -> None:
    assert "@" not in repr(proven(headers(), FJORD))


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_header_breaks_the_reading(sender: str, to: str) -> None:
    mail = proven(headers(sender=sender, to=to), FJORD)
    assert mail is None or mail.sender.endswith("@fjord.test")


@pytest.mark.parametrize("part", ["(", "<", '"', ",", "a@b.test,", "=?utf-8?b?YQ==?= ", ":;", "\\"])
def test_an_endless_header_is_read_or_left_but_breaks_nothing(part: str) -> None:
    endless = part * (2_000 // len(part))
    assert proven(headers(sender=endless), FJORD) is None
    proven(headers(to=endless), FJORD)
    proven(headers(to=endless * 50, signature=SIGNATURE + endless * 50), FJORD)
    assert proven("\n".join(["X-Y: " + part] * 5000), FJORD) is None
