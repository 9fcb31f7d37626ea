"""What is on a member's list is brought up at the right time, and never more than one thing."""

import json
from datetime import timedelta

from tests.conversations.rows import answer, impact, question
from tests.conversations.task import (
    BEGIN,
    AnyOf,
    Has,
    NeverTold,
    Passes,
    Row,
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
from tests.conversations.tasks.answering import ASKER, CAST, FREIGHT, HEARD, PAYROLL

NEW = question("freight", FREIGHT, tags=["freight"], shown=False)


def due(item: str) -> Row:
    """An item of the member's list is to be brought up in two hours."""
    return Row(
        "agent_tasks",
        {
            "id": ref("due"),
            "task_type": "notify_user_of_priorities",
            "agent_type": "concierge",
            "user_id": who("member"),
            "scheduled_for": BEGIN + timedelta(hours=2),
            "context_json": json.dumps({"priority_ids": [str(ref(f"item:{item}:member"))]}),
        },
    )


TASKS = [
    Task(
        "a question that is due is brought up without a name and ends in a question",
        cast=CAST,
        rows=[*NEW, due("freight")],
        script=[
            Passes(
                hours=3,
                right=["A member wonders which freight tools work for a small team. Do you know?"],
            ),
        ],
        grade=[
            Texts(1, 1, step=1),
            Told("freight"),
            Told(r"\?"),
            NeverTold("Ada|Poe|Quantel"),
            Has("user_priorities", "member", 1, item_id=ref("freight"), status="presented"),
        ],
    ),
    Task(
        "one thing is mentioned after an answer, and the other is not",
        cast=CAST,
        rows=[*NEW, *question("payroll", PAYROLL, tags=["payroll"], shown=False, score=70)],
        script=[
            Writes(
                "are you a bot btw?",
                right=[
                    use("mention_item", item=1),
                    "Yes, I'm Yachtparty's AI assistant. By the way, a member asks which freight "
                    "tools work for a small team; do you know?",
                ],
            ),
        ],
        grade=[
            Told(r"\bAI\b|assistant|bot|machine"),
            NeverTold("payroll"),
            NeverTold("Ada|Poe|Quantel"),
            AnyOf(
                Has("user_priorities", "member", 1, item_id=ref("freight"), status="presented"),
                NeverTold("freight"),
            ),
        ],
    ),
    Task(
        "what was mentioned two hours ago is not mentioned again",
        cast=CAST,
        rows=question("freight", FREIGHT, tags=["freight"]),
        script=[
            Writes("are you a bot btw?", right=["Yes, I'm Yachtparty's AI assistant."]),
        ],
        grade=[
            Told(r"\bAI\b|assistant|bot|machine"),
            NeverTold("freight"),
            none(
                "message_queue",
                "member",
                message_data__kind="reply",
                message_data__items=[str(ref("item:freight:member"))],
            ),
        ],
    ),
    Task(
        "an answer to the member's question is told with what it says",
        cast=HEARD,
        rows=[
            *question("freight", FREIGHT, tags=["freight"], by="member", to=["expert"]),
            *answer(
                "simplest",
                "Take the simplest one, it saves a day each week.",
                to="freight",
                shown=False,
            ),
            due("simplest"),
        ],
        script=[
            Passes(
                hours=3,
                right=[
                    "An answer on freight tools: take the simplest, it saves a day each week. "
                    "Did that help?"
                ],
            ),
        ],
        grade=[
            Told("simplest"),
            Told(r"\?"),
            NeverTold(r"\bJo\b|Lind|Havn"),
            Has("user_priorities", "member", 1, item_id=ref("simplest"), status="presented"),
        ],
    ),
    Task(
        "what came of an answer is told in the words that were reported",
        cast={"member": member(), "asker": ASKER},
        rows=[
            *question("freight", FREIGHT, tags=["freight"], shown=False, status="closed"),
            *answer(
                "mine",
                "Take the simplest.",
                to="freight",
                by="member",
                asker="asker",
                told=False,
                impact="it saved us two days a week",
            ),
            *impact("mine"),
            due("impact:mine"),
        ],
        script=[
            Passes(
                hours=3,
                right=[
                    'About your answer on freight tools, they say "it saved us two days a week".'
                ],
            ),
        ],
        grade=[
            Told("two days a week"),
            NeverTold("Ada|Poe|Quantel"),
            Has("user_priorities", "member", 1, item_id=ref("mine"), status="presented"),
        ],
    ),
    Task(
        "a member answers what was brought up in the morning",
        cast=CAST,
        rows=[*NEW, due("freight")],
        script=[
            Passes(
                hours=3,
                right=["A member wonders which freight tools work for a small team. Do you know?"],
            ),
            Writes(
                "nope, not my thing anymore",
                right=[use("decline_item", item=1), "Fine, I'll leave that one."],
            ),
        ],
        grade=[
            Told("freight", step=1),
            Has("user_priorities", "member", 1, item_id=ref("freight"), status="expired"),
            none("community_responses"),
        ],
    ),
]
