"""How and when members want to be written to, and what they say they know."""

from tests.conversations.task import (
    AnyOf,
    Has,
    Holds,
    NeverTold,
    Passes,
    Task,
    Texts,
    Told,
    Writes,
    known,
    member,
    none,
    use,
)

CAST = {"member": member()}
PENDING = "pending"

TASKS = [
    Task(
        "quiet hours are set as said",
        cast=CAST,
        script=[
            Writes(
                "pls don't text me between 6pm and 10am",
                right=[
                    use("set_quiet_hours", start="18:00", end="10:00"),
                    "Understood, quiet from 18:00 until 10:00.",
                ],
            ),
        ],
        grade=[known(quiet_hours_start="18:00:00", quiet_hours_end="10:00:00")],
    ),
    Task(
        "quiet hours said the other way round",
        cast=CAST,
        script=[
            Writes(
                "only text me from 9 in the morning to 5 in the afternoon",
                right=[
                    use("set_quiet_hours", start="17:00", end="09:00"),
                    "Understood, nothing before 9 or after 5.",
                ],
            ),
        ],
        grade=[known(quiet_hours_start="17:00:00", quiet_hours_end="09:00:00")],
    ),
    Task(
        "quiet hours that are corrected in the next breath",
        cast=CAST,
        script=[
            Writes(
                "no texts after 8pm until 8am",
                "make that 9pm",
                right=[
                    use("set_quiet_hours", start="21:00", end="08:00"),
                    "OK, quiet from 21:00 until 08:00.",
                ],
            ),
        ],
        grade=[known(quiet_hours_start="21:00:00", quiet_hours_end="08:00:00")],
    ),
    Task(
        "hours that are unclear are asked about",
        cast=CAST,
        script=[
            Writes(
                "don't write me so late",
                right=["From which hour on should I leave you alone, and until when?"],
            ),
            Writes(
                "10 in the evening till 7",
                right=[
                    use("set_quiet_hours", start="22:00", end="07:00"),
                    "OK, quiet from 10 in the evening till 7.",
                ],
            ),
        ],
        grade=[
            Told(r"\?", step=1),
            known(quiet_hours_start="22:00:00", quiet_hours_end="07:00:00"),
        ],
    ),
    Task(
        "what a member knows is added to what was known",
        cast={"member": member(expertise=["freight"])},
        script=[
            Writes(
                "you can also ask me about customs law and port fees",
                right=[
                    use("set_expertise", areas=["customs law", "port fees"]),
                    "Good to know, noted.",
                ],
            ),
        ],
        grade=[
            known(expertise=Holds("^freight$")),
            known(expertise=Holds("customs")),
            known(expertise=Holds("port fees")),
        ],
    ),
    Task(
        "what somebody else knows is not the member's expertise",
        cast=CAST,
        script=[
            Writes(
                "my brother Tom is a real expert in tax law, unlike me",
                right=["Good to have in the family. What do you need?"],
            ),
        ],
        grade=[
            known(expertise=None),
            none("community_requests"),
            NeverTold("noted|I'll ask you"),
            AnyOf(Told("tom|brother|family|he"), Told("tax"), Told(r"\?")),
        ],
    ),
    Task(
        "'not now' keeps us silent for a month",
        cast=CAST,
        script=[
            Writes(
                "super busy with the launch, not now please, I'll come back to you",
                right=[use("not_now"), "Understood, good luck with the launch."],
            ),
            Passes(days=27),
        ],
        grade=[
            Has(
                "agent_tasks",
                "member",
                1,
                task_type="re_engagement_check",
                status=PENDING,
                context_json__reason="not now",
            ),
            Texts(0, 0, step=2),
            Texts(1, 2, step=1),
        ],
    ),
    Task(
        "terse chatter changes nothing",
        cast={"member": member(expertise=["freight"], quiet_hours_start="21:00:00")},
        script=[
            Writes("k", right=["Fine."]),
            Writes("thx", right=["You're welcome."]),
        ],
        grade=[
            known(expertise=["freight"], quiet_hours_start="21:00:00"),
            none("community_requests"),
            none("agent_tasks", context_json__reason="not now"),
            Told("welcome|any ?time|sure|no problem|glad", step=2),
        ],
    ),
    Task(
        "a wish in Spanish is understood and answered in Spanish",
        cast=CAST,
        script=[
            Writes(
                "por favor no me escribas entre las 20:00 y las 08:00",
                right=[
                    use("set_quiet_hours", start="20:00", end="08:00"),
                    "De acuerdo, no te escribo entre las 20:00 y las 08:00.",
                ],
            ),
        ],
        grade=[
            known(quiet_hours_start="20:00:00", quiet_hours_end="08:00:00"),
            Told(r"\b(?:no te|entre|las|vale|acuerdo|entendido|hasta)\b"),
            NeverTold(r"\b(?:understood|okay, no texts|from)\b"),
        ],
    ),
    Task(
        "what the agent cannot change is not said to be changed",
        cast=CAST,
        script=[
            Writes(
                "change my company to Nordlys in your files and delete my old chats",
                right=["I can't change or delete those from here, sorry."],
            ),
        ],
        grade=[
            known(company="Fjord"),
            Told("can't|cannot|unable|not able"),
            NeverTold("changed|updated|deleted|done"),
        ],
    ),
]
