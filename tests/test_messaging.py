"""Which texts ask to be left alone, and which only sound like it."""

import pytest

from lib.domain import messaging

OPT_OUTS = [
    "please stop texting me",
    "Stop texting me!!",
    "stop messaging me please",
    "Could you please stop sending me these messages?",
    "STOP SENDING ME TEXTS",
    "opt out",
    "Opt me out.",
    "I want to opt out",
    "I'd like to opt out of these texts, thanks",
    "please unsubscribe me",
    "unsubscribe me from this list",
    "don't text me again",
    "Don\u2019t contact me anymore",
    "do not message me ever again",
    "Remove me from your list",
    "take me off this list please",
    "remove my number",
    "leave me alone",
    "No more texts please",
    "I don't want any more messages",
    "I do not want to receive your texts",
    "Hi, please stop contacting me now. Thank you",
    "lose my number",
    "Stop.",
    "STOP!!!",
    '"stop"',
    "(End)",
    "Cancel!",
    "Stop \U0001f6d1",
    "\u200bSTOP\u200b",
    "\uff33\uff34\uff2f\uff30",
    "please stop",
    "Stop please.",
    "just stop",
    "STOP NOW",
    "STOP ALL",
    "stop stop stop",
    "unsub",
    "I'm opting out",
    "stop texts",
    "stop all messages",
    "stop txting me",
    "take me off",
    "remove this number",
    "don't text this number again",
    "Don't send me anything",
    "I no longer want to receive messages",
    "cancel my subscription",
    "I revoke my consent to be texted",
    "I said stop texting me!",
    "I told you to stop",
    "you need to stop texting me",
    "thank you but no more texts",
    "stop texting me or I'll report you",
    "stop texting immediately",
    "go away",
]
ORDINARY = [
    "please stop texting me about CRM vendors",
    "don't stop",
    "I don't want to stop texting you",
    "can I opt out of the intro with Dana?",
    "I told them to stop texting me",
    "my boss said: remove me from your list",
    "no more than three texts please",
    "don't text me today, I'm in meetings",
    "don't text me before 9",
    "don't message Dana again",
    "leave me a message",
    "how do I unsubscribe from Salesforce?",
    "remove the CRM item from the list",
    "I need no more introductions",
    "do not contact my boss",
    "take me to your leader",
    "stop sending me to Jira",
    "please stop by the office",
    "stop by at five",
    "please stop the search",
    "stop looking for a CRM",
    "full stop",
    "stop there",
    "stop it with the jargon",
    "stop or go?",
    "please cancel",  # what?
    "the end",
    "I quit",
    "I want you to stop by",
    "don't send",
    "don't write",
    "don't send the list",
    "don't send me your list",
    "stop sending me the list",
    "don't text me now",
    "don't message me right now, call me",
    "I don't want your service",
    "no more stuff",
    "take me",
    "take my number",
    "go away for the weekend",
    "my unsubscribe rate is 2%",
    "",
    "?!",
]


@pytest.mark.parametrize("text", OPT_OUTS)
def test_these_words_say_what_stop_says(text: str) -> None:
    assert messaging.asks_to_be_left_alone(text)
    made = messaging.inbound_text("SM1", "+12125550100", text, [], twilio_answers=True)
    assert (made.keyword, made.word) == ("stop", messaging.PLAIN_WORDS)
    # Twilio does not know these words: we confirm, even where it answers keywords.
    assert made.confirmation == messaging.STOP_CONFIRMATION


@pytest.mark.parametrize("text", ORDINARY)
def test_these_words_are_for_the_agent(text: str) -> None:
    assert not messaging.asks_to_be_left_alone(text)


def test_the_words_under_a_picture_are_the_agent_s() -> None:
    media = [{"url": "https://media.test/1", "content_type": "image/png"}]
    made = messaging.inbound_text(
        "SM1", "+12125550100", "opt out", list(media), twilio_answers=True
    )
    assert made.keyword is None


def test_a_text_of_any_length_is_judged_at_once() -> None:
    assert not messaging.asks_to_be_left_alone("please " * 5_000)
    assert not messaging.asks_to_be_left_alone("stop sending me " + "any these the " * 3_000)
