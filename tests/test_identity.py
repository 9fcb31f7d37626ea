"""Who asks and who answers stays unknown to the other (lib/domain/identity.py)."""

import pytest

from lib.core.model import JSON
from lib.domain import identity

IDA: JSON = {
    "first_name": "Ida",
    "last_name": "Berg",
    "company": "Acme Logistics GmbH",
    "email": "ida.b@acme-log.test",
    "linkedin_url": "https://www.linkedin.com/in/ida-berg-77",
}
WILL: JSON = {
    "first_name": "Will",
    "last_name": "Price",
    "company": "Data Systems Ltd",
    "email": "will@gmail.com",
    "linkedin_url": None,
}


@pytest.mark.parametrize(
    ("words", "member"),
    [
        ("How does a firm like Acme clear customs?", IDA),
        ("we at acme clear customs ourselves", IDA),
        ("ACME's team clears them.", IDA),
        ("acmelogisticsgmbh clears them", IDA),
        ("See acme-log.test for how we do it.", IDA),
        ("See https://elsewhere.test for how we do it.", IDA),
        ("See elsewhere.test/team for how we do it.", IDA),
        ("My profile is linkedin.com/in/somebody", IDA),
        ("Look for ida-berg-77.", IDA),
        ("Look for ida.b there.", IDA),
        ("thanks, ida", IDA),
        ("Ida here, we use brokers.", IDA),
        ("Ask Frau Berg about customs.", IDA),
        ("Write to me@elsewhere.test", IDA),
        ("Call 212-555-0100", IDA),
        ("Ask Will about it.", WILL),
        ("will price knows", WILL),
        ("It helped. Thanks, Will", WILL),
        ("it helped, thanks, will", WILL),
        ("I'm will, and I ask about customs.", WILL),
        ("Will here, it helped.", WILL),
        ("We at Data Systems do it.", WILL),
        ("At Cloud we do it.", WILL | {"company": "Cloud Inc."}),
        ("Is Jos\u00e9 right?", WILL | {"first_name": "Jose"}),
        ("\u6211\u662f\u738b\u5c0f\u660e", WILL | {"first_name": "\u738b\u5c0f\u660e"}),
    ],
)
def test_words_that_say_who_somebody_is_are_told(words: str, member: JSON) -> None:
    assert identity.reveals(words, **member)


@pytest.mark.parametrize(
    ("words", "member"),
    [
        ("How do logistics firms clear customs?", IDA),
        ("Which GmbH forms do you file, and who is in the group?", IDA),
        ("Which idea helps? Bergamo or Oslo?", IDA),
        ("Has anybody used Notion or example.com for it?", IDA),
        ("What will help with the price of data?", WILL),
        ("Will a broker help? Price matters.", WILL),
        ("Which cloud is safe?", WILL | {"company": "Cloud Inc."}),
        ("Which systems keep the data?", WILL),
        ("Does gmail mark our mails as spam?", WILL),
        ("Should we mark it up by May?", WILL | {"first_name": "Mark", "last_name": "May"}),
        ("What helps with customs?", dict.fromkeys(WILL)),
    ],
)
def test_words_about_the_matter_say_nothing_of_who_asks(words: str, member: JSON) -> None:
    assert not identity.reveals(words, **member)
