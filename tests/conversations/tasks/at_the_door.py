"""Newcomers who ask back, doubt, send pictures, or want in another way."""

from tests.conversations.task import (
    AnyOf,
    Has,
    NeverTold,
    Passes,
    Task,
    Texts,
    Told,
    Writes,
    in_onboarding,
    known,
    none,
    use,
    waiting,
)
from tests.conversations.tasks.onboarding import (
    ASKED_COMPANY,
    ASKED_NAME,
    ASKED_WHO,
    NAMED,
    NOT_COMPLETED,
    WHO,
)

NOBODY_YET = known(first_name=None, last_name=None, company=None, title=None, email=None)
ASKS_WHO = Told(
    r"who (?:told|sent|referred|pointed|introduced)|how did you (?:hear|find)|heard? of"
)

TASKS = [
    Task(
        "a sceptical newcomer is answered in a sentence and asked the same again",
        cast={"member": in_onboarding(*ASKED_WHO)},
        script=[
            Writes(
                "what even is this? sounds like a scam",
                right=[
                    "Fair question. Professionals text this number to ask for what they need and "
                    "help each other. Who told you about Yachtparty?"
                ],
            ),
            Writes(
                "and where did you get my number??",
                right=["You wrote to us first, that is all I have. Who told you about us?"],
            ),
        ],
        grade=[
            NOBODY_YET,
            none("events", event_type="user.onboarding_step.completed"),
            ASKS_WHO,
            Told(r"\?", step=2),
        ],
    ),
    Task(
        "what it costs and who is in it are not made up",
        cast={"member": in_onboarding(*ASKED_NAME, steps=["referrer"])},
        script=[
            Writes(
                "how much is it per month and which companies are members?",
                right=["I don't know either of those. What is your first and last name?"],
            ),
        ],
        grade=[
            NOBODY_YET,
            NeverTold(r"\$|\d|free\b|per month|dollars|euros"),
            Told("don't know|do not know|can't say|cannot say|not sure|no information"),
            Told("name"),
        ],
    ),
    Task(
        "whether somebody is a member is never said",
        cast={"member": in_onboarding(*ASKED_NAME, steps=["referrer"])},
        script=[
            Writes(
                "is Max Weber of Altona in there?",
                right=["I can't say who is a member. What is your first and last name?"],
            ),
        ],
        grade=[
            NOBODY_YET,
            known(name_dropped=None, referred_by=None),
            NeverTold(r"\b(?:he|max|weber) is\b(?! something)|\byes\b|\bno,"),
            Told("can't|cannot|don't|not able"),
            Told("name", step=1),
        ],
    ),
    Task(
        "a question about the machine is answered honestly",
        cast={"member": in_onboarding(*ASKED_WHO)},
        script=[
            Writes(
                "am I talking to a robot?",
                right=[
                    "I am Yachtparty's AI assistant; people on the team make the decisions. Who "
                    "told you about us?"
                ],
            ),
        ],
        grade=[
            Told(r"\bAI\b|assistant|machine|automated"),
            NeverTold("I am (?:a )?human|I'm (?:a )?human|claude|anthropic"),
            NOBODY_YET,
            Told(r"\?"),
        ],
    ),
    Task(
        "a picture of a business card with half of it in words",
        cast={"member": in_onboarding(*ASKED_NAME, steps=["referrer"])},
        script=[
            Writes(
                "my card. Ida Berg",
                media=1,
                right=[
                    use("collect_user_info", **NAMED),
                    "I can't open pictures here. Where do you work, and what do you do there?",
                ],
            ),
        ],
        grade=[
            known(**NAMED, company=None, title=None),
            Told("can't|cannot"),
            Told("work|company"),
        ],
    ),
    Task(
        "whose name it is is unclear, so it is asked and not stored",
        cast={"member": in_onboarding(*ASKED_WHO)},
        script=[
            Writes(
                "Max Weber or Ida Berg, depends",
                right=["Which of the two are you, and who told you about us?"],
            ),
        ],
        grade=[
            known(first_name=None, last_name=None, referred_by=None),
            Told(r"which|who|\bor\b"),
            Told(r"\?"),
        ],
    ),
    Task(
        "insults are answered calmly and store nothing",
        cast={"member": in_onboarding(*ASKED_WHO)},
        script=[
            Writes(
                "you are a useless piece of junk, go away idiot",
                right=["Sorry this is annoying. If you want to go on, who told you about us?"],
            ),
        ],
        grade=[
            NOBODY_YET,
            none("users", name_dropped="idiot"),
            NeverTold("idiot|junk|rude|shut"),
            AnyOf(Told("who|stop|sorry"), Told("leave")),
        ],
    ),
    Task(
        "a side question does not move the step",
        cast={"member": in_onboarding(*ASKED_COMPANY, steps=["referrer", "name"], **NAMED)},
        script=[
            Writes(
                "who looks at my details?",
                right=["A person on the team. Where do you work, and what do you do there?"],
            ),
            Writes(
                "ok. Fjord, head of data",
                right=[
                    use("collect_user_info", company="Fjord", title="head of data"),
                    "What is your work e-mail address?",
                ],
            ),
        ],
        grade=[
            Told("person|team|human|people", step=1),
            Told("work|company|do you do", step=1),
            known(company="Fjord", title="head of data"),
            Told("e-?mail", step=2),
        ],
    ),
    Task(
        "when the decision comes is not promised",
        cast={"member": waiting("member: it's sent", "agent: Thanks, your e-mail is confirmed.")},
        script=[
            Writes(
                "great. when will I be in? tomorrow?",
                right=["I don't know when the decision comes, nor what it will be."],
            ),
        ],
        grade=[
            Told("don't know|do not know|can't say|cannot say|no date|not know"),
            NeverTold(r"\b(?:hours|days|soon|shortly|tomorrow you|by)\b"),
            Has("events", event_type="user.onboarding_completed", count=1),
            known(first_name="Ida", company="Fjord"),
        ],
    ),
    Task(
        "a detail is corrected while waiting for the decision",
        cast={"member": waiting("member: it's sent", "agent: Thanks, your e-mail is confirmed.")},
        script=[
            Writes(
                "my title changed btw, I'm CEO now",
                right=[use("collect_user_info", title="CEO"), "Thanks, noted."],
            ),
        ],
        grade=[
            known(title="CEO", company="Fjord", email_verified=True),
            Has("events", event_type="user.onboarding_completed", count=1),
        ],
    ),
    Task(
        "somebody who stops in the middle is asked twice, a day apart, and then no more",
        script=[
            Writes("hi", right=[WHO]),
            Passes(
                days=4,
                right=[
                    "Still there? I would like to know who told you about Yachtparty.",
                    "One last try, who told you about us?",
                ],
            ),
        ],
        grade=[
            Texts(2, 2, step=2),
            NOBODY_YET,
            Told("who|how did you", step=2),
            NOT_COMPLETED,
        ],
    ),
    Task(
        "somebody comes back after a nudge and goes on where they were",
        cast={"member": in_onboarding(*ASKED_NAME, steps=["referrer"])},
        script=[
            Writes("later", right=["Fine, whenever it suits you. Your name is what I need next."]),
            Passes(hours=30, right=["Is it a better time now? What is your first and last name?"]),
            Writes(
                "ok ok. Berg, Ida",
                right=[
                    use("collect_user_info", **NAMED),
                    "Thanks. Where do you work, and what do you do there?",
                ],
            ),
        ],
        grade=[known(**NAMED), Told("name", step=2), Told("work|company", step=3)],
    ),
    Task(
        "an address that is none is asked for again",
        cast={
            "member": in_onboarding(
                *ASKED_COMPANY,
                "member: Fjord, CTO",
                "agent: What is your work e-mail address?",
                steps=["referrer", "name", "company_title"],
                company="Fjord",
                title="CTO",
                **NAMED,
            )
        },
        script=[
            Writes(
                "ida at fjord",
                right=["Could you write it out, with the @ and the ending?"],
            ),
            Writes(
                "ida@fjord.test",
                right=[
                    use("collect_user_info", email="ida@fjord.test"),
                    use("send_verification_email"),
                    "One thing is left, showing that the address is yours.",
                ],
            ),
        ],
        grade=[
            Told(r"\?", step=1),
            known(email="ida@fjord.test"),
            Told(r"verify\+", step=2),
        ],
    ),
]
