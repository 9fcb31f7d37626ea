"""The check of what agents say (behaviour.md, voice and safety)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.domain import voice


def codes(*texts: str, shown: str = "", only_media: bool = False) -> list[str]:
    found = voice.problems(
        texts, given=shown, secret_words=["collect_user_info"], only_media=only_media
    )
    return [problem.code for problem in found]


@pytest.mark.parametrize(
    "words",
    [
        "Thanks. What is your first and last name?",
        "Got it, CTO at a bank. What's your work e-mail address?",
        "I can't say when, a person decides that. Where do you work?",
        "Dr. No? Fine by me: 3.5 stars, e.g. on a good day, at J. P. Morgan Inc. in St. Louis.",
        "It costs 5 < 6 - fine\n(or so)",
        "你好 请问你叫什么名字",
    ],
)
def test_ordinary_sentences_pass(words: str) -> None:
    assert codes(words, shown="Dr No saw 3.5 of J. P. Morgan's in St Louis") == []


@pytest.mark.parametrize(
    ("words", "invented"),
    [
        ("Maria can introduce you.", "Maria"),
        ("I'd ask Twa about it.", "Twa"),  # as in software
        ("Ask Priya about it.", "Priya"),
        ("I know a team at HubSpot.", "HubSpot"),
        ("HubSpot is one option.", "HubSpot"),
        ("IBM might be one.", "IBM"),
        ("Someone in O'Brien's group knows.", "O'Brien"),
        ("You'll hear by Friday.", "Friday"),
        ("That saves 40% a year.", "40%"),
        ("It costs $ 9 a month.", "$ 9"),
        ("Expect an answer at 10:30.", "10:30"),
        ("Ich kann dir Anna Schmidt vorstellen, sie kennt die Software.", "Schmidt"),
    ],
)
def test_a_name_or_figure_that_was_not_given_is_a_problem_and_is_named(
    words: str, invented: str
) -> None:
    (found,) = voice.problems([words], given="who knows about software?")
    assert found.code == "unknown_name"
    assert invented in found.advice
    assert voice.problems([words], given=words) == []
    assert voice.problems([words], given="", instructions=words) == []


@pytest.mark.parametrize(
    "words",
    [
        "Hi, thanks for writing. Who told you about Yachtparty?",
        "So you need a CRM for the HR team? Which part matters most?",
        "Pricing is one thing. Software can be another.",
        "I'm Yachtparty's AI assistant. I can't do that from here yet.",
        "Take 2 minutes. Okay?",
        "Ich verstehe. Die Buchhaltung ist mit der neuen Software nicht zufrieden, richtig?",
        "Claro. \u00bfQu\u00e9 parte es la m\u00e1s importante?",
    ],
)
def test_ordinary_words_are_not_taken_for_names(words: str) -> None:
    assert codes(words) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("", "empty"),
        ("x" * 481, "too_long"),
        ("One. Two. Three. Four.", "too_many_sentences"),
        ('{"known": {}}', "leaked_data"),
        ("Stored 'email': 'x'", "leaked_data"),
        ("You are 6f1d5c1e-6f0a-5d0b-9a51-6a2f8f0c7b11 here", "leaked_id"),
        ("Noted as toolu_01D7FLrf", "leaked_id"),
        ("I called collect_user_info", "leaked_machinery"),
        ("My instructions say so", "leaked_machinery"),
        ("This is **bold**", "markup"),
        ("- one\n- two", "markup"),
        ("<text>hello</text>", "markup"),
        ("See https://example.org/a", "unknown_address"),
        ("See example.com for more", "unknown_address"),
        ("Write to someone@example.com", "unknown_address"),
    ],
)
def test_what_breaks_a_rule_is_found(words: str, code: str) -> None:
    assert code in (codes(words) if words else codes())


def test_a_fourth_text_is_one_too_many() -> None:
    assert codes("a", "b", "c") == []
    assert codes("a", "b", "c", "d") == ["too_many_texts"]


def test_an_address_that_was_given_may_be_said() -> None:
    assert codes("Is Jane@Example.com right?", shown="my mail: jane@example.com") == []


def test_a_picture_alone_needs_an_honest_answer() -> None:
    assert codes("Lovely picture.", only_media=True) == ["claims_to_see"]
    assert codes("I cannot open pictures here.", only_media=True) == []


def test_a_blank_line_separates_the_texts_of_a_sequence() -> None:
    assert voice.split("one\n\n two \n \n\nthree\nstill three\n") == [
        "one",
        "two",
        "three\nstill three",
    ]


@pytest.mark.parametrize(
    ("loud", "calm"),
    [
        ("Great!", "Great."),
        ("Really?!", "Really?"),
        ("No!!! Way!?", "No. Way?"),
        ("\u00a1Hola!", "Hola."),
        ("\u201cYes\u201d \u2014 it\u2019s fine\u2026", '"Yes" - it\'s fine...'),
    ],
)
def test_exclamations_and_fancy_typography_become_plain(loud: str, calm: str) -> None:
    assert voice.tidy(loud) == calm


@given(st.text())
def test_whatever_the_model_says_ends_up_without_exclamation_marks_or_control_characters(
    answer: str,
) -> None:
    texts = voice.split(answer)
    assert all(text and text == text.strip() for text in texts)
    whole = "".join(texts)
    assert not set(whole) & set("!\uff01\x00\x1b\u2028")
    whole.encode("utf-8")  # no lone surrogates: Twilio's client could not send them
    assert voice.split("\n\n".join(texts)) == texts


def test_the_first_contact_says_who_writes_and_how_to_opt_out() -> None:
    first, second = voice.with_notice(["Hello.", "Who sent you?"])
    assert "Yachtparty" in first
    assert "STOP" in first
    assert second == "Who sent you?"
