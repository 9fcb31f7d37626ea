"""How the simulated concierge takes what members say about introductions."""

from typing import Any

import pytest

from lib.domain import voice
from local.claude_simulator import introductions

ITEM: dict[str, Any] = {
    "item": 2,
    "what": "an introduction",
    "brought_up": True,
    "open": True,
    "person": "Jo Lind, COO, Northsea Lines",
    "role": "could introduce",
    "offered": "freight",
    "credits": 50,
}
INTRO: dict[str, Any] = {"intro": 1, "person": "Jo Lind, COO", "agreed": True, "to": "Noor Haddad"}
ASKED, MADE = introductions.brought_up(ITEM), introductions.asked_after(INTRO)
ACCEPT, DECLINE = ("accept_intro", {"item": 2}), ("decline_item", {"item": 2})


@pytest.mark.parametrize(
    ("said", "last", "tool"),
    [
        ("Yes, happy to", ASKED, ACCEPT),
        ("sure, I can introduce them", "OK.", ACCEPT),
        ("no, we fell out", ASKED, DECLINE),
        ("I don't know her well enough", ASKED, DECLINE),
        ("yes", "Anything else?", None),
        ("who is asking?", ASKED, None),
        ("does anyone know payroll?", ASKED, None),
    ],
)
def test_a_yes_or_no_is_about_the_introduction_that_was_asked(
    said: str, last: str, tool: Any
) -> None:
    assert introductions.tool(said, last, {"items": [ITEM]}) == tool


def test_a_yes_to_one_of_two_that_is_not_clear_is_taken_for_neither() -> None:
    other = ITEM | {"item": 3, "person": "Kim Berg, CFO"}
    card = {"items": [ITEM, other]}
    assert introductions.tool("I can introduce them", "OK.", card) is None
    assert introductions.tool("I can introduce Kim Berg", "OK.", card) == (
        "accept_intro",
        {"item": 3},
    )


@pytest.mark.parametrize(
    ("said", "happened"),
    [
        ("yes, last week", True),
        ("I introduced them yesterday", True),
        ("it fell through", False),
        ("not yet", None),
        ("yes, next week", None),
    ],
)
def test_what_became_of_one_is_reported_once_it_is_over(said: str, happened: bool | None) -> None:
    expected = None if happened is None else ("report_intro", {"intro": 1, "happened": happened})
    assert introductions.tool(said, MADE, {"intros": [INTRO]}) == expected


def test_its_words_may_be_sent() -> None:
    gives = ITEM | {"gives": "their name and e-mail address", "role": "to be introduced"}
    for words in (ASKED, MADE, introductions.brought_up(gives)):
        assert voice.problems([words], given=f"{ITEM} {INTRO}") == []
