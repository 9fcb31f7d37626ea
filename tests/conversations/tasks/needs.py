"""Members who want a solution found, and what is found for them."""

import json

from tests.conversations.task import (
    Has,
    Job,
    Like,
    Move,
    NeverTold,
    Passes,
    Task,
    Told,
    Writes,
    member,
    none,
    use,
)

CAST = {
    "member": member(),
    "expert": member(
        first_name="Jo",
        last_name="Lind",
        company="Havn",
        email="jo@havn.test",
        expertise=["freight"],
    ),
}
NEED = "We need a freight planning tool for a team of four; ours is too complicated."
BEGUN: list[Move] = [
    use("research_solution", need=NEED),
    "I'll have that looked into. I can't say yet what comes of it.",
    Job(
        "solution_research",
        json.dumps(
            {
                "findings": ["Small teams do best with what needs no training."],
                "question": "Which freight planning tool works for a small team?",
                "about": "freight planning tool",
                "expertise": ["freight"],
                "fitting_offers": [],
            }
        ),
    ),
]
ASKS = Writes(
    "we need a freight planning tool for a team of four, ours is too complicated. can you find us "
    "something that fits?",
    right=BEGUN,
)

TASKS = [
    Task(
        "a need is looked into and members who know are asked, without a name",
        cast=CAST,
        script=[ASKS],
        grade=[
            Has("solution_workflows", "member", 1, request_description=Like("freight")),
            none("community_requests", question=Like("Ida|Berg|Fjord")),
            NeverTold("I(?:'ll| will) find|by tomorrow|Jo|Havn"),
        ],
    ),
    Task(
        "what was found for a need is brought back when nobody answered",
        cast=CAST,
        script=[
            ASKS,
            Passes(
                days=3,
                right=[
                    Job(
                        "solution_recommendation",
                        json.dumps(
                            {
                                "recommendation": "Take a planning tool that needs no training. "
                                "This rests on general knowledge."
                            }
                        ),
                    ),
                    "On the freight planning tool: take one that needs no training, though that "
                    "rests on general knowledge. Does that help?",
                    "A member asks which freight planning tool works for a small team. Do you "
                    "know?",
                ],
            ),
        ],
        grade=[
            Has("solution_workflows", "member", 1, status="completed"),
            Told("tool|planning", step=2),
            NeverTold("Jo|Havn"),
        ],
    ),
    Task(
        "a need that is not clear is asked about first",
        cast=CAST,
        script=[
            Writes(
                "can you get us something better for the office?",
                right=["What would it be for, and what is wrong with what you have?"],
            ),
        ],
        grade=[
            none("solution_workflows"),
            none("community_requests"),
            Told(r"\?"),
        ],
    ),
]
