"""Rows that many tasks begin with: questions to members, answers, texts that wait."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tests.conversations.task import BEGIN, Row, ago, ref, who


def question(
    name: str,
    words: str,
    *,
    tags: Sequence[str] = ("advice",),
    by: str = "asker",
    to: Sequence[str] = ("member",),
    shown: bool = True,
    score: int = 80,
    status: str = "open",
    asked_hours_ago: float = 24,
) -> list[Row]:
    """A question of somebody's to others, on their lists; `shown`: they were told of it."""
    asked = ago(hours=asked_hours_ago)
    rows = [
        Row(
            "community_requests",
            {
                "id": ref(name),
                "requesting_agent_type": "concierge",
                "requesting_user_id": who(by),
                "question": words,
                "request_summary": " ".join(tags)[:100],
                "expertise_needed": list(tags),
                "target_user_ids": [who(expert) for expert in to],
                "status": status,
                "closed_loop_at": ago(hours=1) if status == "closed" else None,
                "created_at": asked,
                "expires_at": asked + timedelta(days=7),
            },
        )
    ]
    for expert in to:
        rows += _on_list(
            f"{name}:{expert}",
            expert,
            "community_request",
            name,
            score=score,
            shown=f"A member asks: {words} Is that something you know about?" if shown else None,
            status="expired" if status == "closed" else "presented" if shown else "active",
        )
    return rows


def answer(
    name: str,
    words: str,
    *,
    to: str,
    by: str = "expert",
    asker: str = "member",
    shown: bool = True,
    usefulness: int | None = 8,
    impact: str | None = None,
    told: bool = True,
) -> list[Row]:
    """Somebody's answer to the question `to`; `told`: it is on its asker's list, and `shown`: they
    were told of it. `impact` is what they said came of it."""
    return [
        Row(
            "community_responses",
            {
                "id": ref(name),
                "request_id": ref(to),
                "user_id": who(by),
                "response_text": words,
                "verbatim_answer": words,
                "usefulness_score": usefulness,
                "impact_description": impact,
                "status": "provided",
                "created_at": ago(hours=3),
            },
        ),
        *(
            _on_list(
                f"{name}:{asker}",
                asker,
                "community_response",
                name,
                score=90,
                shown=f"There is an answer to your question: {words} Did that help?"
                if shown
                else None,
                status="presented" if shown else "active",
            )
            if told
            else []
        ),
    ]


def impact(of: str, *, to: str = "member", score: int = 80) -> list[Row]:
    """What came of the answer `of` is for whoever gave it to hear; it was not brought up yet."""
    return _on_list(
        f"impact:{of}:{to}",
        to,
        "expert_impact_notification",
        of,
        score=score,
        shown=None,
        status="active",
    )


def own_question(
    name: str, words: str, *, by: str = "member", answers: int = 0, hours_ago: float = 30
) -> Row:
    """An open question of somebody's own, which nobody in the task was asked."""
    return Row(
        "community_requests",
        {
            "id": ref(name),
            "requesting_agent_type": "concierge",
            "requesting_user_id": who(by),
            "question": words,
            "request_summary": " ".join(words.split()[:5])[:100],
            "expertise_needed": [name],
            "target_user_ids": [],
            "status": "open",
            "responses_count": answers,
            "created_at": ago(hours=hours_ago),
            "expires_at": BEGIN + timedelta(days=5),
        },
    )


def introduction(
    name: str, prospect: str, *, offer: str, innovator: str, by: str = "member", bounty: int = 50
) -> list[Row]:
    """Somebody could introduce `prospect` ("First Last, Title, Company") to an innovator, and was
    asked."""
    person, title, company = prospect.split(", ")
    return [
        Row(
            "innovators",
            {
                "id": ref(f"innovator:{name}"),
                "user_id": who(innovator),
                "company_name": "Quell",
                "solution_description": offer,
                "categories": ["freight"],
            },
        ),
        # What the innovator may pay with.
        Row(
            "credit_events",
            {
                "id": ref(f"credits:{name}"),
                "user_id": who(innovator),
                "event_type": "purchase",
                "amount": 200,
                "reference_type": "test",
                "reference_id": ref(name),
                "idempotency_key": f"test:{name}",
            },
        ),
        Row(
            "intro_opportunities",
            {
                "id": ref(name),
                "connector_user_id": who(by),
                "innovator_id": ref(f"innovator:{name}"),
                "innovator_name": "Quell",
                "prospect_name": person,
                "prospect_title": title,
                "prospect_company": company,
                "bounty_credits": bounty,
                "status": "open",
                "created_at": ago(hours=30),
                "expires_at": BEGIN + timedelta(days=20),
            },
        ),
        *_on_list(
            f"{name}:{by}",
            by,
            "intro_opportunity",
            name,
            score=80,
            shown=f"You may know {person}, {title} at {company}. Would you introduce someone who "
            f"offers {offer}?",
            status="presented",
        ),
    ]


def queued(name: str, words: str | None, *, to: str = "member", **data: Any) -> Row:
    """A proactive text that was queued before and must be judged before it leaves."""
    return Row(
        "message_queue",
        {
            "id": ref(name),
            "user_id": who(to),
            "agent_id": "concierge",
            "message_data": json.dumps({"kind": "proactive", "topic": name} | data),
            "final_message": words,
            "scheduled_for": BEGIN + timedelta(minutes=30),
            "status": "queued",
            "requires_fresh_context": True,
            "created_at": ago(hours=2),
        },
    )


def _on_list(
    name: str, whose: str, kind: str, about: str, *, score: int, shown: str | None, status: str
) -> list[Row]:
    """A priority of somebody's, and the text that brought it up."""
    at = ago(hours=2)
    rows = [
        Row(
            "user_priorities",
            {
                "id": ref(f"item:{name}"),
                "user_id": who(whose),
                "priority_rank": 1,
                "item_type": kind,
                "item_id": ref(about),
                "value_score": score,
                "status": status,
                "created_at": ago(hours=4),
                "presented_at": at if shown else None,
            },
        )
    ]
    if shown:
        message = ref(f"shown:{name}")
        rows += [
            Row(
                "messages",
                {
                    "id": message,
                    "conversation_id": ref(f"conversation:{whose}"),
                    "user_id": who(whose),
                    "role": "assistant",
                    "content": shown,
                    "direction": "outbound",
                    "status": "delivered",
                    "created_at": at,
                    "sent_at": at,
                },
            ),
            Row(
                "message_queue",
                {
                    "id": message,
                    "user_id": who(whose),
                    "agent_id": "concierge",
                    "message_data": json.dumps(
                        {"kind": "proactive", "items": [str(ref(f"item:{name}"))]}
                    ),
                    "final_message": shown,
                    "scheduled_for": at,
                    "status": "sent",
                    "sent_at": at,
                    "delivered_message_id": message,
                    "created_at": at,
                },
            ),
        ]
    return rows
