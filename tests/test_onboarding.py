"""Which details are taken, and how onboarding moves on."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.domain import onboarding
from lib.domain.onboarding import NotTakenError, OwnWords, Profile
from lib.domain.zones import zone_of
from lib.engine.turn import Referrer

TEXTER = UUID(int=1)


def test_steps_are_asked_in_order_and_each_until_it_is_whole() -> None:
    profile = Profile()
    steps = ["referrer", "name", "company_title", "email", "email_verification"]
    assert profile.missing == steps
    assert Profile(first_name="A", company="B").missing == profile.missing
    assert Profile(first_name="A", last_name="B", email="a@b.co").missing == [
        "referrer",
        "company_title",
        "email_verification",
    ]
    assert "email_verification" in Profile(email_verified=True).missing


def test_the_referrer_is_passed_over_when_something_else_was_answered() -> None:
    named = Profile(first_name="A", last_name="B")
    assert named.pass_over_referrer(Profile(), asked=True).referrer_done
    assert not named.pass_over_referrer(Profile(), asked=False).referrer_done
    assert not named.pass_over_referrer(named, asked=True).referrer_done


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Jane", "hi, JANE here"),
        ("O'Brien", "it is o'brien"),
        ("王小明", "我叫王小明"),
        ("Jos\u00e9", "soy jose\u0301"),
    ],
)
def test_a_name_in_the_members_own_words_is_taken(value: str, words: str) -> None:
    assert onboarding.person_name(f"  {value} ", OwnWords([words])) == value


@pytest.mark.parametrize("value", ["", "  ", "x" * 81, "R2D2", "<b>Jane</b>", "Jane\x00", "42"])
def test_what_is_no_name_is_not_taken(value: str) -> None:
    with pytest.raises(NotTakenError):
        onboarding.person_name(value, OwnWords([value, "jane r2d2 42"]))


def test_a_company_is_not_guessed_from_an_address() -> None:
    own = OwnWords(["write to jane@acme.com, jane@acme or https://www.acme.com/jane"])
    with pytest.raises(NotTakenError):
        onboarding.organisation("Acme", own)
    assert onboarding.organisation("Acme", OwnWords(["I run acme"])) == "Acme"


@given(value=st.text(max_size=130), texts=st.lists(st.text(), max_size=3))
def test_a_value_is_taken_only_if_its_words_were_written(value: str, texts: list[str]) -> None:
    own = OwnWords(texts)
    try:
        taken = onboarding.organisation(value, own)
    except NotTakenError:
        return
    assert own.contain(taken)
    assert 0 < len(taken) <= 120
    assert taken == " ".join(taken.split())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Jane.Doe@Acme.COM", "it's jane.doe@acme.com."),
        ("jane+work@mail.acme.co.uk", "(jane+work@mail.acme.co.uk)"),
    ],
)
def test_an_address_that_was_written_is_taken_in_lower_case(value: str, words: str) -> None:
    assert onboarding.email(value, OwnWords([words])) == value.lower()


@pytest.mark.parametrize(
    "value", ["jane", "jane@acme", "jane@@acme.com", "a..b@acme.com", "other@acme.com", "@acme.com"]
)
def test_what_is_no_address_or_not_theirs_is_not_taken(value: str) -> None:
    with pytest.raises(NotTakenError):
        onboarding.email(value, OwnWords(["jane@acme.com a..b@acme.com jane@@acme.com jane@acme"]))


@pytest.mark.parametrize(
    "value",
    [
        "linkedin.com/in/jane-doe",
        "https://uk.linkedin.com/in/Jane-Doe/",
        "http://www.linkedin.com/in/jane-doe?utm_source=x",
    ],
)
def test_a_linkedin_profile_gets_one_form(value: str) -> None:
    taken = onboarding.linkedin_url(value, OwnWords([f"see {value}."]))
    assert taken == "https://www.linkedin.com/in/jane-doe"


@pytest.mark.parametrize("value", ["linkedin.com/in/other", "https://example.com/in/jane", "jane"])
def test_another_profile_is_not_taken(value: str) -> None:
    with pytest.raises(NotTakenError):
        onboarding.linkedin_url(value, OwnWords(["linkedin.com/in/jane example.com/in/jane"]))


@given(st.lists(st.sampled_from(list("abcdefghijklmnop")), max_size=30))
def test_expertise_is_a_set_of_at_most_ten(areas: list[str]) -> None:
    own = OwnWords(list("abcdefghijklmnop"))
    merged = onboarding.expertise([a.upper() for a in areas], ["a", "b"], own)
    assert len(merged) <= 10
    assert merged[:2] == ("a", "b")
    assert len({m.casefold() for m in merged}) == len(merged)


@pytest.mark.parametrize("value", ["nobody", "No one", "none", "Nobody, I found it myself"])
def test_nobody_is_an_answer_when_it_was_asked_or_said(value: str) -> None:
    assert onboarding.referrer_name(value, OwnWords(["-"]), asked=True) == "none"
    assert onboarding.referrer_name(value, OwnWords(["nobody did"]), asked=False) == "none"
    with pytest.raises(NotTakenError):
        onboarding.referrer_name(value, OwnWords(["hello"]), asked=False)


def test_a_referrer_matches_only_as_a_unique_full_name() -> None:
    def match(name: str, *members: tuple[int, str]) -> UUID | None:
        known = [Referrer(id=UUID(int=i), full_name=n) for i, n in members]
        return onboarding.match_referrer(name, known, TEXTER)

    assert match("ann LEE", (5, "Ann Lee"), (6, "Ann Leeds")) == UUID(int=5)
    assert match("Ann", (5, "Ann Lee")) is None
    assert match("Ann Lee", (5, "Ann Lee"), (6, "ann lee")) is None
    assert match("Ann Lee", (1, "Ann Lee")) is None


@pytest.mark.parametrize(
    ("timezone", "phone", "zone"),
    [
        ("Europe/Paris", "+12125550123", "Europe/Paris"),
        ("Mars/Olympus", "+12125550123", "America/New_York"),
        (None, "+493012345678", "Europe/Berlin"),
        (None, "+12085550123", "America/New_York"),
        ("../etc/passwd", "nonsense", "America/New_York"),
    ],
)
def test_the_zone_is_stated_or_the_numbers_only_one(
    timezone: str | None, phone: str, zone: str
) -> None:
    assert zone_of(timezone, phone).key == zone
