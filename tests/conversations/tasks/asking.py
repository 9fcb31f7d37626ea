"""Members who want to know something of the others, or think they do."""

from tests.conversations.rows import own_question
from tests.conversations.task import (
    Has,
    Like,
    NeverTold,
    Task,
    Texts,
    Told,
    Writes,
    member,
    none,
    ref,
    use,
    who,
)

EXPERT = member(
    first_name="Jo",
    last_name="Lind",
    company="Havn",
    email="jo@havn.test",
    expertise=["freight", "customs"],
)
STRANGER = member(
    first_name="Kim", last_name="Roe", company="Brug", email="kim@brug.test", expertise=["gardens"]
)
CAST = {"member": member(), "expert": EXPERT, "stranger": STRANGER}

FREIGHT = use(
    "ask_community",
    question="Which freight tools work for a small team?",
    about="freight tools, small team",
    expertise=["freight"],
)
WILL_ASK = "I'll ask members who may know. I can't say whether anybody answers."
ASKED = Has("community_requests", requesting_user_id=who("member"), question=Like("freight"))
NOT_ASKED = none("community_requests")

TASKS = [
    Task(
        "a clear question goes to the member who knows, and to nobody else",
        cast=CAST,
        script=[
            Writes(
                "does anyone know which freight tools work for a small team?",
                right=[FREIGHT, WILL_ASK],
            ),
        ],
        grade=[
            ASKED,
            Has("community_requests", count=1, target_user_ids=[who("expert")], status="open"),
            Has("user_priorities", "expert", 1, item_type="community_request"),
            none("user_priorities", "stranger"),
            none("community_requests", question=Like("Ida|Fjord")),
            NeverTold("Jo|Lind|Havn|one member|two members"),
        ],
    ),
    Task(
        "a terse question is asked as it is",
        cast=CAST,
        script=[
            Writes(
                "who knows customs brokers? norway",
                right=[
                    use(
                        "ask_community",
                        question="Which customs brokers are good in Norway?",
                        about="customs brokers in Norway",
                        expertise=["customs"],
                    ),
                    WILL_ASK,
                ],
            )
        ],
        grade=[
            Has("community_requests", question=Like("customs"), target_user_ids=[who("expert")]),
            none("user_priorities", "stranger"),
        ],
    ),
    Task(
        "a vague wish is asked about once, and then it is clear",
        cast=CAST,
        script=[
            Writes(
                "we have a problem with our tools",
                right=["What kind of tools, and what goes wrong with them?"],
            ),
            Writes(
                "freight tools. too complicated for a team of four. ask around what others use",
                right=[FREIGHT, WILL_ASK],
            ),
        ],
        grade=[Told(r"\?", step=1), ASKED, Has("community_requests", count=1)],
    ),
    Task(
        "who asks is left out of the question",
        cast=CAST,
        script=[
            Writes(
                "Ida Berg from Fjord here, ask the others which freight tool they use. Fjord has "
                "four people on it",
                right=[
                    use(
                        "ask_community",
                        question="Which freight tool do you use?",
                        about="freight tools",
                        expertise=["freight"],
                        situation="A team of four works on freight.",
                    ),
                    WILL_ASK,
                ],
            ),
        ],
        grade=[
            ASKED,
            none("community_requests", question=Like("Ida|Berg|Fjord")),
            none("community_requests", requester_context=Like("Ida|Berg|Fjord")),
            none("community_requests", request_summary=Like("Ida|Berg|Fjord")),
        ],
    ),
    Task(
        "a correction seconds later is what is asked",
        cast=CAST,
        script=[
            Writes(
                "can you ask people which garden planners they use",
                "sorry wrong chat. FREIGHT planners",
                right=[
                    use(
                        "ask_community",
                        question="Which freight planners do you use?",
                        about="freight planners",
                        expertise=["freight"],
                    ),
                    WILL_ASK,
                ],
            ),
        ],
        grade=[
            ASKED,
            Has("community_requests", count=1),
            none("community_requests", question=Like("garden")),
            none("user_priorities", "stranger"),
        ],
    ),
    Task(
        "a correction while the answer is being written is what is asked",
        cast=CAST,
        script=[
            Writes(
                "ask others about garden planners please",
                meanwhile="no wait, freight planners!",
                right=[
                    use(
                        "ask_community",
                        question="Which garden planners do you use?",
                        about="garden planners",
                        expertise=["gardens"],
                    ),
                    WILL_ASK,
                    use(
                        "ask_community",
                        question="Which freight planners do you use?",
                        about="freight planners",
                        expertise=["freight"],
                    ),
                    WILL_ASK,
                ],
            ),
        ],
        grade=[
            ASKED,
            Has("community_requests", count=1),
            none("user_priorities", "stranger"),
            Texts(1, 1),
        ],
    ),
    Task(
        "a question is taken back",
        cast={"member": member(), "expert": EXPERT},
        rows=[own_question("tools", "Which freight tools work for a small team?")],
        script=[
            Writes(
                "forget the freight tools, we found one",
                right=[use("cancel_request", request=1), "Good, that question is closed."],
            ),
        ],
        grade=[
            Has("community_requests", id=ref("tools"), status="closed"),
            Has("community_requests", count=1),
            Told("closed|cancel|withdrawn|taken back|dropped|stopped|off"),
        ],
    ),
    Task(
        "of two questions the right one is taken back",
        cast={"member": member(), "expert": EXPERT},
        rows=[
            own_question("tools", "Which freight tools work for a small team?"),
            own_question("law", "Which lawyer knows shipping contracts?", hours_ago=20),
        ],
        script=[
            Writes(
                "the lawyer question is settled, drop it. keep the other",
                right=[use("cancel_request", request=2), "Done, that one is closed."],
            ),
        ],
        grade=[
            Has("community_requests", id=ref("law"), status="closed"),
            Has("community_requests", id=ref("tools"), status="open"),
        ],
    ),
    Task(
        "a fourth question has to wait",
        cast=CAST,
        rows=[
            own_question("one", "Which payroll tool works in Norway?"),
            own_question("two", "Who has moved an office to Oslo?", hours_ago=20),
            own_question("three", "What does a good sales course cost?", hours_ago=10),
        ],
        script=[
            Writes(
                "also ask which freight tools people use",
                right=[
                    FREIGHT,
                    "Three of your questions are open, so one has to be closed first. Which one?",
                ],
            ),
        ],
        grade=[
            Has("community_requests", count=3),
            none("community_requests", question=Like("freight")),
            NeverTold("I(?:'ll| will) ask|I(?:'ve| have) asked"),
            Told("open|three|3|first|close"),
        ],
    ),
    Task(
        "a fourth question takes the place of one that is taken back in the same text",
        cast=CAST,
        rows=[
            own_question("one", "Which payroll tool works in Norway?"),
            own_question("two", "Who has moved an office to Oslo?", hours_ago=20),
            own_question("three", "What does a good sales course cost?", hours_ago=10),
        ],
        script=[
            Writes(
                "drop the sales course question and ask which freight tools people use instead",
                right=[
                    use("cancel_request", request=3),
                    FREIGHT,
                    "The old one is closed. " + WILL_ASK,
                ],
            ),
        ],
        grade=[
            Has("community_requests", id=ref("three"), status="closed"),
            Has("community_requests", id=ref("one"), status="open"),
            ASKED,
        ],
    ),
    Task(
        "a question in German is asked and answered in German",
        cast=CAST,
        script=[
            Writes(
                "Kannst du die anderen fragen, welche Software sie f\u00fcr Freight und Zoll "
                "benutzen?",
                right=[
                    use(
                        "ask_community",
                        question="Welche Software benutzt ihr f\u00fcr Freight und Zoll?",
                        about="Software f\u00fcr Freight und Zoll",
                        expertise=["freight", "customs"],
                    ),
                    "Ich frage die, die es wissen k\u00f6nnten. Ob jemand antwortet, kann ich "
                    "nicht sagen.",
                ],
            ),
        ],
        grade=[
            Has("community_requests", count=1, question=Like("freight|zoll|customs")),
            Told(r"\b(?:ich|nicht|ob|wei\u00df)\b"),
            NeverTold(r"\b(?:I'll|members|whether)\b"),
        ],
    ),
    Task(
        "an introduction to somebody by name is not promised",
        cast=CAST,
        script=[
            Writes(
                "introduce me to Max Weber at Altona, today if possible",
                right=["I can't introduce anyone from here. What would you like to know from him?"],
            ),
        ],
        grade=[
            NOT_ASKED,
            Told("can't|cannot|not able|unable|don't"),
            NeverTold(r"introduced|reach out to|\bI'll\b|\bI will\b"),
        ],
    ),
    Task(
        "a reminder is not promised",
        cast=CAST,
        script=[
            Writes(
                "remind me on thursday to call my accountant",
                right=["I can't set reminders, sorry. You would have to note that yourself."],
            ),
        ],
        grade=[
            NOT_ASKED,
            Told("can't|cannot|not able|unable|don't"),
            NeverTold(r"I'll remind|I will remind|\bset\b.*(?:for|on) thursday|noted"),
        ],
    ),
    Task(
        "what the agent cannot look up is not made up",
        cast=CAST,
        script=[
            Writes(
                "what's the freight rate oslo-hamburg today?",
                right=["I can't look up rates. Should I ask members who may know?"],
            ),
        ],
        grade=[
            NeverTold(r"\d|\$|euro|kr\b"),
            Told("can't|cannot|don't|not able|unable"),
        ],
    ),
    Task(
        "small talk asks nobody anything",
        cast=CAST,
        script=[
            Writes("morning! how's it going", right=["Morning, fine here. What do you need?"]),
            Writes("nothing, just saying hi", right=["Good to hear from you."]),
        ],
        grade=[
            NOT_ASKED,
            Texts(2, 3),
            NeverTold("ask members|ask the community"),
            Told("hi|hello|morning|hey|well|fine|good", step=1),
        ],
    ),
    Task(
        "two different questions in one text are both asked",
        cast=CAST,
        script=[
            Writes(
                "two things for the others: which freight tool do you use, and who knows a good "
                "garden architect?",
                right=[
                    (
                        FREIGHT,
                        use(
                            "ask_community",
                            question="Who knows a good garden architect?",
                            about="garden architect",
                            expertise=["gardens"],
                        ),
                    ),
                    WILL_ASK,
                ],
            ),
        ],
        grade=[
            Has("community_requests", count=2),
            Has("community_requests", question=Like("freight"), target_user_ids=[who("expert")]),
            Has("community_requests", question=Like("garden"), target_user_ids=[who("stranger")]),
        ],
    ),
    Task(
        "a sceptic who asks what becomes of the question gets no promise",
        cast=CAST,
        script=[
            Writes(
                "if I ask about freight tools, who sees it and will I really get something back "
                "by friday?",
                right=[
                    "Members who may know see the question, but not that it is from you. Whether "
                    "and when somebody answers, I can't say. Should I ask?"
                ],
            ),
            Writes("ok do it. tools for a small team", right=[FREIGHT, WILL_ASK]),
        ],
        grade=[
            Told("can't|cannot|don't know|no guarantee|whether", step=1),
            NeverTold("by friday you|yes, you will|within"),
            ASKED,
        ],
    ),
    Task(
        "somebody wants out of the question they were just going to ask",
        cast=CAST,
        script=[
            Writes(
                "could you ask others about freight tools?",
                "actually no, leave it, I'll google first",
                right=["Fine, I'll leave it."],
            ),
        ],
        grade=[NOT_ASKED, Told("ok|fine|sure|all right|alright|leave|understood|no problem")],
    ),
]
