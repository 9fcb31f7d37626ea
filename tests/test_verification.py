"""The address that proves an e-mail: what it holds, and what is not accepted in its place."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from lib.domain.verification import Addresses, Token

NOW = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
IDA, EVE = UUID(int=1), UUID(int=2)
EMAIL = "ida@fjord.test"
SECRET = SecretStr("a secret that nobody knows")
OURS = Addresses(SECRET, "in.example.test")
ADDRESS = OURS.make(IDA, EMAIL, NOW)
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def token_of(address: str) -> Token:
    token = OURS.read(address, EMAIL)
    assert token is not None
    return token


def test_an_address_names_the_member_the_e_mail_and_an_end_72_hours_ahead() -> None:
    token = token_of(ADDRESS)
    assert (token.user_id, token.email) == (IDA, EMAIL)
    assert token.expires_at == NOW + timedelta(hours=72)


@given(st.uuids(), st.emails(), st.integers(1, 10**9))
def test_an_address_is_one_that_mail_takes_and_survives_the_loss_of_case(
    user_id: UUID, email: str, seconds: int
) -> None:
    address = OURS.make(user_id, email, NOW + timedelta(seconds=seconds))
    local, _, domain = address.rpartition("@")
    assert len(local) <= 64
    assert set(local.removeprefix("verify+")) <= set(ALPHABET)
    assert domain == "in.example.test"
    for written in (address, address.upper(), address.title()):
        token = OURS.read(written, email.upper())
        assert token is not None
        assert token.user_id == user_id


def test_a_token_is_worth_nothing_for_another_e_mail() -> None:
    for sender in ("eve@fjord.test", "ida@fjord.test.evil.test", "", "ida@fj\ud800rd.test"):
        assert OURS.read(ADDRESS, sender) is None


def test_a_token_for_an_earlier_e_mail_is_not_one_for_the_later_one() -> None:
    later = OURS.make(IDA, "ida@sea.test", NOW)
    assert OURS.read(ADDRESS, "ida@sea.test") is None
    assert OURS.read(later, EMAIL) is None


def test_a_token_is_worth_nothing_where_the_secret_or_the_domain_is_another() -> None:
    another = SecretStr("another secret")
    assert Addresses(another, "in.example.test").read(ADDRESS, EMAIL) is None
    assert Addresses(SECRET, "example.test").read(ADDRESS, EMAIL) is None


@pytest.mark.parametrize("position", range(0, 56, 5))
def test_a_token_with_one_other_character_is_no_token(position: int) -> None:
    at = len("verify+") + position
    for other in ALPHABET.replace(ADDRESS[at], "")[::7]:
        assert OURS.read(f"{ADDRESS[:at]}{other}{ADDRESS[at + 1 :]}", EMAIL) is None


def test_a_token_put_together_from_two_is_no_token() -> None:
    other = OURS.make(EVE, "eve@fjord.test", NOW + timedelta(days=30))
    for cut in range(len("verify+") + 1, len("verify+") + 56):
        assert OURS.read(other[:cut] + ADDRESS[cut:], EMAIL) is None or other[:cut] == ADDRESS[:cut]


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "@",
        "verify+",
        "verify+@in.example.test",
        "verify@in.example.test",
        "verify+abc@in.example.test",
        "verify+" + "a" * 56 + "@in.example.test",
        "verify+" + "a" * 5000 + "@in.example.test",
        "verify+" + "\u0131" * 56 + "@in.example.test",
        "verify+" + "=" * 56 + "@in.example.test",
        ADDRESS.replace("verify+", "verify"),
        ADDRESS.replace("verify+", "x+verify+"),
        ADDRESS[:-1],
        ADDRESS + ".evil.test",
        ADDRESS.replace("@", "@evil@"),
    ],
)
def test_what_is_no_address_of_ours_is_not_read(recipient: str) -> None:
    assert OURS.read(recipient, EMAIL) is None


def test_a_token_has_one_id_however_it_is_written_and_another_each_time_it_is_made() -> None:
    later = OURS.make(IDA, EMAIL, NOW + timedelta(seconds=1))
    assert token_of(ADDRESS.upper()).token_id == token_of(ADDRESS).token_id
    assert token_of(later).token_id != token_of(ADDRESS).token_id


def test_no_address_is_in_what_a_token_shows_of_itself() -> None:
    assert EMAIL not in repr(token_of(ADDRESS))
