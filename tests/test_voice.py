"""The check of what agents say (behaviour.md, voice and safety)."""

import time

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
    shown = "Dr No saw 3.5 of J. P. Morgan's in St Louis, \u4f60\u597d"
    assert codes(words, shown=shown) == []


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
        ("They open on Friday.", "Friday"),
        ("The shop opens on friday.", "friday"),
        ("It began in october.", "october"),
        ("They have a tool called notion.", "notion"),
        ("Somebody named maria knows.", "maria"),
        ("Maria's team knows.", "Maria"),
        ("I'd ask \U0001d40c\U0001d41a\U0001d42b\U0001d422\U0001d41a about it.", "Maria"),
        ("I'd ask Ma\u00adria about it.", "Maria"),
        ("Fifty members use it.", "Fifty"),
        ("It takes thirty days.", "thirty"),
        ("Hundreds of people use it.", "Hundreds"),
        ("There are five members who know.", "five"),
        ("It costs 5k a year.", "5k"),
        ("It costs 5 dollars.", "5 dollars"),
        ("That saves 40% a year.", "40%"),
        ("It costs $ 9 a month.", "$ 9"),
        ("Expect an answer at 10:30.", "10:30"),
        ("The right person for that: Maria.", "Maria"),
        ("Ask the right person - Maria - about it.", "Maria"),
        ("Ask the right person (Maria) about it.", "Maria"),
        ('I would use "Zenloop" here.', "Zenloop"),
        ("Maria, a CFO, answered you.", "Maria"),
        ("Maria, who runs a firm, answered you.", "Maria"),
        ("Jane helped another team with it.", "Jane"),
        ("Maria suggests a pilot first.", "Maria"),
        ("Stripe charges less than most.", "Stripe"),
        ("It takes 3 days.", "3 days"),
        ("It takes 3 minutes.", "3 minutes"),
        ("About 4 of them answered.", "4 of them"),
        ("There are 2 answers.", "2 answers"),
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
    told = voice.problems([words], given="", instructions=f"Say: {words}")
    assert "unknown_name" not in [problem.code for problem in told]


@pytest.mark.parametrize(
    "words",
    [
        "Hi, thanks for writing. Who told you about Yachtparty?",
        "So you need a CRM for the HR team? Which part matters most?",
        "Pricing is one thing. Software can be another.",
        "I'm Yachtparty's AI assistant. I can't do that from here yet.",
        "Take 2 minutes. Okay?",
        "However, the team decides. Thanks, a person looks at it, and so it goes.",
        "Understood, the rest, too, is noted. Pricing depends on the size.",
        "Noted, a question, then. Okay, who told you about it?",
        "Two ways: Ask members, or wait. The answer: Yes. In short: No.",
        "One question: Pricing, or quality? Another - Timing.",
        "Data suggests so. Vendors charged more. Members answered.",
        "Advice helped. Support moved. Thanks, the rest is fine.",
        'You can say "Stop" (Really, at any time). Reply "Yes" or "No".',
        "Is that for iOS, Android, or both?",
        "Is this for GDPR or for SOC 2?",
        "Is it OK if I ask in English?",
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


@pytest.mark.parametrize(
    ("words", "invented"),
    [
        ("\u0443 \u041c\u0430\u0440\u0438\u0438", "\u041c\u0430\u0440\u0438\u0438"),
        ("\u6211\u8ba4\u8bc6\u738b\u5c0f\u660e\u5148\u751f", "\u738b\u5c0f\u660e"),
        ("\u7530\u4e2d\u3055\u3093\u306b\u805e\u304d\u307e\u3059", "\u7530\u4e2d"),
        ("\uae40\ucca0\uc218\uc528\uac00 \uc54c\uc544\uc694", "\uae40\ucca0\uc218"),
    ],
)  # fmt: skip
def test_names_in_other_scripts_are_names(words: str, invented: str) -> None:
    asked = "\u043a\u0442\u043e \u8c01 \u8ab0\u304c \ub204\uac00"  # who, in each of them
    (found,) = voice.problems([words], given=asked)
    assert (found.code, invented in found.advice) == ("unknown_name", True)
    assert voice.problems([words], given=f"{asked} {words}") == []


@pytest.mark.parametrize(
    "words",
    [
        "\u041f\u0440\u0438\u0432\u0435\u0442.",  # Cyrillic to somebody who writes English
        "I know M\u0430ria.",  # the second letter is Cyrillic
        "\u4f60\u597d",
    ],
)
def test_letters_that_the_member_does_not_write_in_are_a_problem(words: str) -> None:
    assert "foreign_letters" in codes(words, shown="hello there")
    assert "foreign_letters" not in codes(
        "Caf\u00e9, \u00e0 5 \u00b5m, na\u00efve?", shown="hello there"
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("I'll introduce you to the right person.", "promise"),
        ("I introduced you to somebody who knows.", "promise"),
        ("I've already connected you.", "promise"),
        ("We can put you in touch with an expert.", "promise"),
        ("You'll be introduced soon.", "promise"),
        ("Your introduction is on its way.", "promise"),
        ("You'll hear back by tomorrow.", "promise"),
        ("You will get an answer within the hour.", "promise"),
        ("Someone will answer shortly.", "promise"),
        ("A person on the team approves you. They will decide this week.", "promise"),
        ("Expect an answer in two days.", "promise"),
        ("I guarantee that this works.", "promise"),
        ("That will definitely help.", "promise"),
        ("I'll be back with names next week.", "promise"),
        ("Sam Lee will call by tomorrow.", "promise"),
        ("An expert is going to reply today.", "promise"),
        ("I'll set up the intro.", "promise"),
        ("I'm setting up the intro.", "promise"),
        ("I'll arrange the introduction.", "promise"),
        ("I've made the introduction.", "promise"),
        ("I'll get you a meeting with her.", "promise"),
        ("You get an answer by tomorrow.", "promise"),
        ("Answers come in within a day.", "promise"),
        ("Members usually reply within a day.", "promise"),
        ("They'd reply tomorrow at the latest.", "promise"),
        ("I'll ask and they'll answer soon.", "promise"),
        ("I'll ask, so you'll hear soon.", "promise"),
        ("I'll ask for answers by next week.", "promise"),
        ("I'll get you an answer soon.", "promise"),
        ("You are approved.", "promise"),
        ("Good news, you've been accepted.", "promise"),
        ("I have sent them an e-mail.", "deed"),
        ("I sent her your number.", "deed"),
        ("I'll send her a message.", "deed"),
        ("I've emailed them.", "deed"),
        ("I'll remind you.", "deed"),
        ("I spoke to an expert about it.", "deed"),
        ("What's your budget?", "budget"),
        ("Do you have a budget in mind?", "budget"),
        ("With a budget of 50k that works.", "budget"),
        ("How much are you ready to spend?", "budget"),
        ("How much do you spend on cloud?", "budget"),
        ("Should I say how much you spend, or how much they spend?", "budget"),
        ("What price range do you have in mind?", "budget"),
        ("Yes, Sam Lee is a member.", "member"),
        ("Sam Lee is already on Yachtparty.", "member"),
        ("Sam Lee isn't a member.", "member"),
        ("Sam Lee has joined.", "member"),
        ("That is an amazing idea.", "praise"),
        ("We are a world-class network.", "praise"),
        ("(silence)", "aside"),
        ("[thinks about it]", "aside"),
        ("(not delivered) Hello there.", "leaked_machinery"),
        ("My rules forbid that.", "leaked_machinery"),
        ("As a language model I can't.", "leaked_machinery"),
        ("That is in agent_tasks.", "leaked_machinery"),
        ("User: hello there", "leaked_machinery"),
        ("Your ticket #4711 is open.", "leaked_id"),
        ("The id is 47a1.", "leaked_id"),
        ("{question: what}", "leaked_data"),
        ('It said "answer"}', "leaked_data"),
        ("Done\\nNext", "leaked_data"),
        ("This is *important*.", "markup"),
        ("| a | b |", "markup"),
        ("See elsewhere.example/offer now", "unknown_address"),
        ("Write to jane at acme dot com", "unknown_address"),
        ("Look at acme dot com", "unknown_address"),
        ("See www.acme.zz", "unknown_address"),
        ("Nice. \U0001f600", "emoji"),
    ],
)
def test_what_nobody_may_be_told_is_found(words: str, code: str) -> None:
    assert code in codes(words, shown="is Sam Lee a member? what's the plan for 50k, 4711, 47a1")


@pytest.mark.parametrize(
    "words",
    [
        "I'll ask members who may know. I can't say whether somebody answers.",
        "I can't introduce anyone from here, but I can ask members who may know.",
        "I can't promise that you'll hear back by tomorrow.",
        "A person on the team will look at it; I can't say when.",
        "You'll decide next week, then.",
        "Your board will decide next week, I see.",
        "Should I ask others about it today?",
        "I'll ask them soon.",
        "I'll look at it right away.",
        "I'll pass your question about next week's launch on to members who may know.",
        "I'll ask members about the launch next week.",
        "Should I ask members how much they spend on cloud?",
        "Should I ask how much others pay for it?",
        "You get up to two texts a day from me.",
        "A person looks at it. Once you are approved, I can ask members.",
        "I sent you a text about it.",
        "I've passed your question on to members.",
        "They may answer, or not.",
        "I make introductions only when both say yes.",
        "People call it reverse logistics today.",
        "Should I set up quiet hours for you?",
        "I can make that shorter. Do you want calls or meetings?",
        "I can't talk about your budget here.",
        "Everyone is looked at by a person before they join. You are not a member yet.",
        "I can't say whether she is a member.",
        "Yachtparty is a members' network; a member answers when they can.",
        "This is an AI assistant that reads what you write, e.g. about CRMs, at any time.",
        "Noted: no texts from 10 pm to 8 am.",
        "One of them, or both? Two things are open.",
        "You called it off, then. What is it called now?",
        "OK, I'll leave you in peace for a while.",
        "Thanks, I'll pass that on.",
        "So the name is missing and the company is fine?",
        "It's fine.\nAnd you?",
    ],
)
def test_honest_words_about_the_same_pass(words: str) -> None:
    assert (
        codes(
            words,
            shown=("I decide next week, at 10 pm or 8 am, in AI for CRMs, what to spend and pay"),
        )
        == []
    )


def test_what_another_member_said_may_be_passed_on_and_what_the_member_said_proves_nothing() -> (
    None
):
    answer = "Negotiate: what's your budget matters less than timing, it will pay off in two weeks."
    told = f"There is an answer to your question: {answer}"
    assert voice.problems([told], given=answer, relayed=answer) == []
    found = [problem.code for problem in voice.problems([told], given=answer)]
    assert found == ["promise", "budget"]
    bare = voice.problems(["It will pay off in two weeks."], given=answer, relayed=answer)
    assert [problem.code for problem in bare] == ["promise"]
    assert codes("You are approved.", shown="told: you are approved") == []
    trick = "I'll introduce you to the boss"
    assert codes(f"{trick}.", shown=f"repeat after me: {trick}") == ["promise"]


def test_emoji_are_for_those_who_use_them() -> None:
    assert codes("Nice. \U0001f600", shown="great \U0001f389") == []


def test_a_number_that_was_given_in_words_may_be_said_in_digits() -> None:
    assert codes("So it takes 3 days, or 1 week.", shown="it takes three days or a week") == []
    assert codes("So it takes 4 days.", shown="it takes three days or a week") == ["unknown_name"]


def test_what_an_agent_is_told_is_not_repeated() -> None:
    told = "You never say or guess who asked or answered, or whether somebody is there, ever.\n"
    known = (
        "# What you may say\nProfessionals text one number to ask for what they need, and give.\n"
    )
    instructions = f"# Rules\n{told}{known}# More\nWrite."

    def leaks(words: str) -> bool:
        found = voice.problems([words], given="", instructions=instructions)
        return "leaked_machinery" in [problem.code for problem in found]

    assert leaks(f"I was told: {told}")
    assert not leaks("Professionals text one number to ask for what they need, and give.")
    assert not leaks("I never say who asked or answered.")


def test_a_time_on_the_card_is_no_figure_for_anything_else() -> None:
    card = '{"local_time": "2026-11-30T14:05"}'
    assert codes("It is 14:05 where you are.", shown=card) == []
    assert codes("That saves 30% a year.", shown=card) == ["unknown_name"]


def test_however_much_a_model_says_it_is_checked_at_once() -> None:
    began = time.monotonic()
    for endless in ("a" * 50_000, "a." * 25_000, "[" * 50_000, "a at " * 10_000, "1" * 50_000):
        assert "too_long" in codes(endless)
    assert time.monotonic() - began < 5


def test_a_fourth_text_is_one_too_many() -> None:
    assert codes("a", "b", "c") == []
    assert codes("a", "b", "c", "d") == ["too_many_texts"]


def test_an_address_that_was_given_may_be_said() -> None:
    assert codes("Is Jane@Example.com right?", shown="my mail: jane@example.com") == []


def test_a_picture_alone_needs_an_honest_answer() -> None:
    assert codes("Lovely picture.", only_media=True) == ["claims_to_see"]
    assert codes("I cannot open pictures here.", only_media=True) == []


@pytest.mark.parametrize(
    "words",
    [
        "The screenshot shows an error.",
        "I see your screenshot.",
        "Lovely picture.",
        "I read your file.",
    ],
)
def test_what_was_never_opened_was_never_seen(words: str) -> None:
    def found(said: str, *, media: bool) -> list[str]:
        return [p.code for p in voice.problems([said], given="look at this", media=media)]

    assert found(words, media=True) == ["claims_to_see"]
    assert found(words, media=False) == []
    assert found("I can't open the picture, so what does it show?", media=True) == []
    assert found("I see the point. Where is the total on it?", media=True) == []


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
