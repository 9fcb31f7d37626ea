"""Newcomers who tell who they are, in whatever order and mood."""

from tests.conversations.task import (
    Answers,
    Has,
    If,
    Like,
    Mails,
    NeverTold,
    Task,
    Texts,
    Told,
    Writes,
    in_onboarding,
    known,
    member,
    newcomer,
    none,
    use,
    waiting,
    who,
)

WHO = "Hi, who told you about Yachtparty?"
ASKED_WHO = ("member: hi", f"agent: {WHO}")
ASKED_NAME = (*ASKED_WHO, "member: nobody", "agent: What is your first and last name?")
ASKED_COMPANY = (
    *ASKED_NAME,
    "member: Ida Berg",
    "agent: Where do you work, and what do you do there?",
)
ASKED_EMAIL = (*ASKED_COMPANY, "member: Fjord, CTO", "agent: What is your work e-mail address?")
NAMED = {"first_name": "Ida", "last_name": "Berg"}
PLACED = NAMED | {"company": "Fjord", "title": "CTO"}
LEFT = "One thing is left, showing that the address is yours."


def step_done(step: str, value: str) -> Has:
    """The event of a step of the member's onboarding."""
    return Has(
        "events",
        event_type="user.onboarding_step.completed",
        payload__step=step,
        payload__value=Like(value),
        count=1,
    )


COMPLETED = Has("events", event_type="user.onboarding_completed", count=1)
NOT_COMPLETED = none("events", event_type="user.onboarding_completed")

TASKS = [
    Task(
        "a terse newcomer tells one thing at a time and proves the e-mail",
        script=[
            Writes("hi", right=[WHO]),
            Answers(
                {
                    r"who (?:told|sent|referred|pointed)|hear(?:d)? (?:about|of)": "nobody",
                    r"name": "ida berg",
                    r"work|company|role|do you do": "fjord, cto",
                    r"e-?mail": "ida@fjord.test",
                },
                right=[
                    use("collect_user_info", referrer_name="none"),
                    "Fine. What is your first and last name?",
                    use("collect_user_info", first_name="ida", last_name="berg"),
                    "Where do you work, and what do you do there?",
                    use("collect_user_info", company="fjord", title="cto"),
                    "And your work e-mail address?",
                    use("collect_user_info", email="ida@fjord.test"),
                    use("send_verification_email"),
                    LEFT,
                ],
            ),
            Mails("ida@fjord.test"),
        ],
        grade=[
            known(first_name=Like("^ida$"), last_name=Like("^berg$"), company=Like("^fjord$")),
            known(title=Like("^cto$"), email="ida@fjord.test", email_verified=True),
            step_done("referrer", "^none$"),
            COMPLETED,
            Told("who", step=1),
            Told(r"verify\+", step=2),
            Told("confirmed", step=3),
        ],
    ),
    Task(
        "a newcomer tells everything in one text",
        script=[
            Writes(
                "Hello, nobody sent me, I'm Ida Berg, CTO at Fjord, my mail is ida@fjord.test",
                right=[
                    use(
                        "collect_user_info",
                        referrer_name="none",
                        email="ida@fjord.test",
                        **PLACED,
                    ),
                    use("send_verification_email"),
                    "Hello, thanks. " + LEFT,
                ],
            ),
        ],
        grade=[
            known(**PLACED, email="ida@fjord.test", verified=False),
            step_done("name", "^Ida Berg$"),
            Told(r"verify\+"),
            NeverTold("what is your (?:first|last|name)"),
            NOT_COMPLETED,
        ],
    ),
    Task(
        "a chatty newcomer hides the details between other things",
        cast={"member": in_onboarding(*ASKED_NAME, steps=["referrer"])},
        script=[
            Writes(
                "Oh sure, sorry for the delay, I was on a train and the wifi here is a joke. "
                "So: Ida Berg, been at Fjord for six years now, CTO since spring, before that I "
                "built boats with my dad. What a year.",
                right=[
                    use("collect_user_info", **PLACED),
                    "No worries. What is your work e-mail address?",
                ],
            ),
        ],
        grade=[known(**PLACED), none("users", email=Like("@")), Told("e-?mail")],
    ),
    Task(
        "details come in the opposite order",
        script=[
            Writes(
                "ida@fjord.test",
                right=[
                    use("collect_user_info", email="ida@fjord.test"),
                    "Thanks. Who told you about Yachtparty?",
                ],
            ),
            Writes(
                "I'm the CTO at Fjord",
                right=[
                    use("collect_user_info", company="Fjord", title="CTO"),
                    "And what is your first and last name?",
                ],
            ),
            Writes(
                "Ida Berg",
                right=[
                    use("collect_user_info", **NAMED),
                    use("send_verification_email"),
                    LEFT,
                ],
            ),
        ],
        grade=[
            known(**PLACED, email="ida@fjord.test"),
            Told(r"who|hear", step=1),
            Told(r"verify\+", step=3),
        ],
    ),
    Task(
        "half of a step is there, and only the other half is asked for",
        cast={"member": in_onboarding(*ASKED_NAME, steps=["referrer"])},
        script=[
            Writes(
                "Ida",
                right=[use("collect_user_info", first_name="Ida"), "And your last name?"],
            ),
            Writes(
                "Berg. I work at Fjord",
                right=[
                    use("collect_user_info", last_name="Berg", company="Fjord"),
                    "What do you do at Fjord?",
                ],
            ),
        ],
        grade=[
            known(**NAMED, company="Fjord", title=None),
            Told("last name|surname|family name", step=1),
            Told("role|title|do you do|position|what do you", step=2),
        ],
    ),
    Task(
        "a correction in the next text, seconds later, wins",
        cast={"member": in_onboarding(*ASKED_COMPANY, steps=["referrer", "name"], **NAMED)},
        script=[
            Writes(
                "Fjord, I'm the CFO",
                "sorry, CTO. not CFO",
                right=[
                    use("collect_user_info", company="Fjord", title="CTO"),
                    "What is your work e-mail address?",
                ],
            ),
        ],
        grade=[known(company="Fjord", title="CTO"), Told("e-?mail"), Texts(1, 3)],
    ),
    Task(
        "a correction that comes while the answer is being written wins",
        cast={"member": in_onboarding(*ASKED_COMPANY, steps=["referrer", "name"], **NAMED)},
        script=[
            Writes(
                "Fjord, CFO",
                meanwhile="oops, I mean CTO",
                right=[
                    use("collect_user_info", company="Fjord", title="CFO"),
                    "What is your work e-mail address?",
                    use("collect_user_info", company="Fjord", title="CTO"),
                    "What is your work e-mail address?",
                ],
            ),
        ],
        grade=[known(company="Fjord", title="CTO"), Told("e-?mail"), Texts(1, 1)],
    ),
    Task(
        "somebody changes their mind about where they work, days after saying so",
        cast={
            "member": in_onboarding(
                *ASKED_EMAIL, steps=["referrer", "name", "company_title"], **PLACED
            )
        },
        script=[
            Writes(
                "actually write Nordlys, I start there as CTO next week and leave Fjord",
                right=[
                    use("collect_user_info", company="Nordlys"),
                    "Noted. What is your work e-mail address?",
                ],
            ),
        ],
        grade=[known(company="Nordlys", title="CTO"), Told("e-?mail")],
    ),
    Task(
        "a private address is replaced by the one of work, and only that is proved",
        cast={
            "member": in_onboarding(
                *ASKED_EMAIL, steps=["referrer", "name", "company_title"], **PLACED
            )
        },
        script=[
            Writes(
                "ida.berg@gmail.test",
                right=[
                    use("collect_user_info", email="ida.berg@gmail.test"),
                    use("send_verification_email"),
                    LEFT,
                ],
            ),
            Writes(
                "wait, better use ida@fjord.test, that's my work one",
                right=[
                    use("collect_user_info", email="ida@fjord.test"),
                    use("send_verification_email"),
                    "Then please write from that one.",
                ],
            ),
            Mails("ida@fjord.test"),
        ],
        grade=[
            known(email="ida@fjord.test", email_verified=True),
            Told(r"verify\+", step=2),
            COMPLETED,
        ],
    ),
    Task(
        "an e-mail is sent from another address than the one given, and proves nothing",
        cast={
            "member": in_onboarding(
                *ASKED_EMAIL, steps=["referrer", "name", "company_title"], **PLACED
            )
        },
        script=[
            Writes(
                "ida@fjord.test",
                right=[
                    use("collect_user_info", email="ida@fjord.test"),
                    use("send_verification_email"),
                    LEFT,
                ],
            ),
            Mails("ida@elsewhere.test"),
            Writes(
                "done, I wrote to it",
                right=[
                    "It has not arrived yet. It must come from ida@fjord.test; did you write from "
                    "there?"
                ],
            ),
        ],
        grade=[
            known(email="ida@fjord.test", email_verified=False),
            Told("(?:not|n't) (?:yet )?(?:arrived|come|here|received|seen|in|got|reached)", step=3),
            NOT_COMPLETED,
        ],
    ),
    Task(
        "the address is asked for again",
        cast={
            "member": in_onboarding(
                *ASKED_EMAIL,
                "member: ida@fjord.test",
                f"agent: {LEFT}",
                steps=["referrer", "name", "company_title", "email"],
                email="ida@fjord.test",
                **PLACED,
            )
        },
        script=[
            Writes(
                "I lost that address, send it again?",
                right=[use("send_verification_email"), "Here it comes again."],
            ),
            Mails("ida@fjord.test"),
        ],
        grade=[Told(r"verify\+", step=1), known(email_verified=True), COMPLETED],
    ),
    Task(
        "a referrer who is a member is matched and never confirmed",
        cast={
            "member": in_onboarding(*ASKED_WHO),
            "referrer": member(first_name="Max", last_name="Weber", company="Altona"),
        },
        script=[
            Writes(
                "Max Weber told me. Is he a member too?",
                right=[
                    use("collect_user_info", referrer_name="Max Weber"),
                    "Thanks, I can't say who is a member. What is your first and last name?",
                ],
            ),
        ],
        grade=[
            known(referred_by=who("referrer"), name_dropped=None),
            step_done("referrer", "Max Weber"),
            NeverTold(r"\b(?:he|max|weber) is (?:also |indeed )?(?:a |one of )|yes\b|altona"),
            Told("name"),
        ],
    ),
    Task(
        "a referrer's name that two members have is kept as a name",
        cast={
            "member": in_onboarding(*ASKED_WHO),
            "one": member(first_name="Max", last_name="Weber", company="Altona"),
            "two": member(first_name="Max", last_name="Weber", company="Harburg"),
        },
        script=[
            Writes(
                "Max Weber",
                right=[
                    use("collect_user_info", referrer_name="Max Weber"),
                    "Thanks. What is your first and last name?",
                ],
            ),
        ],
        grade=[known(referred_by=None, name_dropped="Max Weber"), Told("name")],
    ),
    Task(
        "a referrer nobody knows is kept as a name, and nothing hints at that",
        cast={"member": in_onboarding(*ASKED_WHO)},
        script=[
            Writes(
                "my friend Lars Holm from the sailing club",
                right=[
                    use("collect_user_info", referrer_name="Lars Holm"),
                    "Thanks. What is your first and last name?",
                ],
            ),
        ],
        grade=[
            known(referred_by=None, name_dropped="Lars Holm"),
            NeverTold("not a member|don't know|no record|find"),
            Told("name"),
        ],
    ),
    Task(
        "somebody does not want to say who sent them",
        cast={"member": in_onboarding(*ASKED_WHO)},
        script=[
            Writes(
                "rather not say. I'm Ida Berg",
                right=[
                    use("collect_user_info", **NAMED),
                    "That is fine. Where do you work, and what do you do there?",
                ],
            ),
        ],
        grade=[
            known(**NAMED, name_dropped=None, referred_by=None),
            step_done("referrer", "unanswered"),
            Told("work|company"),
            NeverTold("who told|who sent"),
        ],
    ),
    Task(
        "other people are named, and none of them is taken for the member",
        cast={"member": in_onboarding(*ASKED_NAME, steps=["referrer"])},
        script=[
            Writes(
                "I'm Ida Berg, I run sales at Fjord. My boss is Tom Miller, he's the CEO, and "
                "Jane Poe does our marketing",
                right=[
                    use(
                        "collect_user_info",
                        first_name="Ida",
                        last_name="Berg",
                        company="Fjord",
                        title="sales",
                    ),
                    "Thanks. What is your work e-mail address?",
                ],
            ),
        ],
        grade=[
            known(**NAMED, company="Fjord", title=Like("sales"), name_dropped=None),
            none("users", title=Like("ceo|marketing")),
            Told("e-?mail"),
        ],
    ),
    Task(
        "somebody writes in German and is asked on in German, nothing translated",
        cast={
            "member": in_onboarding(
                "member: Guten Tag",
                "agent: Guten Tag, wer hat Ihnen von Yachtparty erz\u00e4hlt?",
            )
        },
        script=[
            Writes(
                "Niemand. Ich hei\u00dfe Ida Berg und bin Gesch\u00e4ftsf\u00fchrerin bei Fjord.",
                right=[
                    use(
                        "collect_user_info",
                        first_name="Ida",
                        last_name="Berg",
                        company="Fjord",
                        title="Gesch\u00e4ftsf\u00fchrerin",
                        referrer_name="none",
                    ),
                    "Danke. Wie lautet Ihre berufliche E-Mail-Adresse?",
                ],
            ),
        ],
        grade=[
            known(**NAMED, company="Fjord", title="Gesch\u00e4ftsf\u00fchrerin"),
            Told(r"\b(?:ihre|deine|ist|wie|sie)\b.*mail|mail.*\b(?:ihre|deine|sie)\b"),
        ],
    ),
    Task(
        "what was volunteered after the last step is kept, and nothing is asked for",
        cast={"member": waiting("member: it's sent", "agent: Thanks, your e-mail is confirmed.")},
        script=[
            Writes(
                "I know freight pricing and customs well. linkedin.com/in/idaberg",
                right=[
                    use(
                        "collect_user_info",
                        expertise=["freight pricing", "customs"],
                        linkedin_url="linkedin.com/in/idaberg",
                    ),
                    "Thanks, noted.",
                ],
            ),
        ],
        grade=[
            known(
                expertise=["freight pricing", "customs"],
                linkedin_url="https://www.linkedin.com/in/idaberg",
            ),
            NeverTold(r"\?"),
        ],
    ),
    Task(
        "an e-mail address is mailed only where one was given",
        cast={"member": newcomer()},
        script=[
            Writes(
                "Ida Berg here, CTO of Fjord, ida@fjord.test",
                right=[
                    use("collect_user_info", email="ida@fjord.test", **PLACED),
                    "Thanks. Who told you about Yachtparty?",
                ],
            ),
            If(
                Told(r"verify\+"),
                then=[Mails("ida@fjord.test")],
                otherwise=[
                    Writes(
                        "nobody, I found you online",
                        right=[
                            use("collect_user_info", referrer_name="none"),
                            use("send_verification_email"),
                            LEFT,
                        ],
                    ),
                    Mails("ida@fjord.test"),
                ],
            ),
        ],
        grade=[known(**PLACED, email="ida@fjord.test", email_verified=True), COMPLETED],
    ),
]
