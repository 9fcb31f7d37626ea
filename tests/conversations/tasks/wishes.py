"""How and when members want to be written to, and what they say they know."""

from tests.conversations.task import (
    AnyOf,
    Has,
    Holds,
    Like,
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
    Task(
        "how often at most is set as said",
        cast=CAST,
        script=[
            Writes(
                "one text a day max from you, ok?",
                right=[use("set_pace", per_day=1), "OK, one a day at most."],
            ),
        ],
        grade=[Has("user_message_budget", "member", daily_limit=1)],
    ),
    Task(
        "somebody who moves lives by the clock of the new place",
        cast=CAST,
        script=[
            Writes(
                "btw we moved to Berlin last month",
                right=[
                    use("set_time_zone", place="Berlin", time_zone="Europe/Berlin"),
                    "Good to know, I go by Berlin time from now on.",
                ],
            ),
        ],
        grade=[known(timezone="Europe/Berlin")],
    ),
    Task(
        "where somebody else lives moves nobody's clock",
        cast=CAST,
        script=[
            Writes(
                "my sister lives in Tokyo, always calls me in the middle of the night lol",
                right=["The joys of time zones. Is there something you need?"],
            ),
        ],
        grade=[
            known(timezone="America/New_York", quiet_hours_start=None),
            NeverTold("noted|tokyo time|changed|set"),
            Texts(1, 2),
        ],
    ),
    Task(
        "the member's own profile is kept",
        cast=CAST,
        script=[
            Writes(
                "here's me: linkedin.com/in/ida-berg",
                right=[use("set_linkedin", url="linkedin.com/in/ida-berg"), "Thanks, noted."],
            ),
        ],
        grade=[known(linkedin_url="https://www.linkedin.com/in/ida-berg")],
    ),
    Task(
        "somebody else's profile is not taken for the member's",
        cast=CAST,
        script=[
            Writes(
                "this guy is great: linkedin.com/in/max-weber. can you look him up?",
                right=["I can't open links or look people up. What would you like from him?"],
            ),
        ],
        grade=[
            known(linkedin_url=None),
            Told("can't|cannot|not able|unable|don't"),
            NeverTold("found|I see|impressive"),
        ],
    ),
    Task(
        "what the member works towards is kept in their words",
        cast=CAST,
        script=[
            Writes(
                "what I really want from this: hire a freight planner before summer",
                right=[
                    use("set_goal", goal="Hire a freight planner before summer"),
                    "Understood. What should the planner bring along?",
                ],
            ),
        ],
        grade=[
            Has("agent_instances", "member", config_json__goal=Like("planner"), status="active"),
            NeverTold("I(?:'ll| will) find|will help you find"),
        ],
    ),
    Task(
        "a goal that is reached is one no more",
        cast={
            "member": member(
                "member: I want to hire a freight planner",
                "agent: Understood.",
            )
        },
        script=[
            Writes(
                "my goal: hire a freight planner by may",
                right=[use("set_goal", goal="hire a freight planner by may"), "Understood."],
            ),
            Writes(
                "she signed today. done with that one, nothing else for now",
                right=[use("set_goal"), "Good, that one is off the list."],
            ),
        ],
        grade=[
            none("agent_instances", "member", config_json__goal=Like("planner"), status="active"),
            NeverTold("what(?:'s| is) next"),
        ],
    ),
]
