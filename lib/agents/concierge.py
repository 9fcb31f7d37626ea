"""The concierge: answers verified members, and acts for them on their word.

It asks other members who may know, records what members answer each other and what came of it, and
brings up what the account manager has put on the member's list.
"""

from uuid import UUID

from lib.agents import context, introductions, silence
from lib.agents.account_manager import schedule_review
from lib.agents.concierge_desk import Desk
from lib.agents.concierge_tools import TOOLBOX
from lib.agents.frame import deciding, instance_of, reply, update_member
from lib.agents.loop import Exchange, Prompt
from lib.core.model import Complete
from lib.domain import priorities
from lib.engine.turn import Item, Turn
from lib.engine.work import UnitOfWork

AGENT_TYPE = "concierge"

PROMPT = Prompt(AGENT_TYPE, TOOLBOX)

#: The same agent where it only speaks: no tool can be used. Its own cached prefix.
SPEAKING: Prompt[None] = Prompt(AGENT_TYPE)


def decide(turn: Turn, complete: Complete, deadline: float) -> UnitOfWork:
    """Answer the member's texts.

    `deadline` (seconds of time.monotonic()) is when the model must be done.

    Raises:
        DecisionFailed: no answer; its cause is ModelUnavailable, ModelRejected or an error of ours.
    """
    with deciding(turn, AGENT_TYPE) as work:
        instance_id = instance_of(turn, work, PROMPT)
        desk = Desk(turn, work)
        exchange = Exchange(
            PROMPT, turn, work, desk, complete, deadline, instance_id, check=desk.unannounced
        )
        texts = exchange.answer(desk.card(), lambda: _safe(turn, desk))
        columns = desk.preferences.columns | {"poc_agent_id": str(instance_id)}
        update_member(work, turn.member, columns)
        desk.preferences.close(work, instance_id)
        reply(work, turn, texts, items=desk.shows)
        schedule_review(work, turn.member.id, turn.now)
        silence.put_off(work, turn, not_now=desk.not_now)
    return work


def present(
    turn: Turn, priority_ids: list[UUID], complete: Complete, deadline: float
) -> UnitOfWork:
    """Bring one item of the member's list up, in words of the model or in plain ones.

    Raises:
        DecisionFailed: no answer; its cause is ModelUnavailable, ModelRejected or an error of ours.
    """
    with deciding(turn, AGENT_TYPE, source_type="task") as work:
        desk = Desk(turn, work)
        item = desk.present(priority_ids)
        if item is None:
            return work
        card = desk.card() | {"bring_up": [desk.place(item)]}
        card.pop("may_mention", None)
        instance_id = turn.agent_instance.id if turn.agent_instance else None
        exchange = Exchange(SPEAKING, turn, work, None, complete, deadline, instance_id)
        texts = exchange.answer(card, lambda: [plain_words(turn, item)])
        work.say(
            turn.member.id,
            texts[:1],
            kind="proactive",
            conversation_id=turn.conversation.id if turn.conversation else None,
            topic=f"priority:{item.id}",
            items=desk.shows,
        )
    return work


def follow_up(turn: Turn, opportunity_id: UUID, complete: Complete, deadline: float) -> UnitOfWork:
    """Ask whether an introduction that both sides wanted was made.

    Raises:
        DecisionFailed: no answer; its cause is ModelUnavailable, ModelRejected or an error of ours.
    """
    with deciding(turn, AGENT_TYPE, source_type="task") as work:
        places = [n for n, one in enumerate(turn.intros, start=1) if one.id == opportunity_id]
        if not places:
            return work  # it was made, or will not be
        one = turn.intros[places[0] - 1]
        card = Desk(turn, work).card() | {"follow_up": places[0]}
        card.pop("may_mention", None)
        instance_id = turn.agent_instance.id if turn.agent_instance else None
        exchange = Exchange(SPEAKING, turn, work, None, complete, deadline, instance_id)
        question = f"Did the introduction of {one.prospect_name} come about?"
        work.say(
            turn.member.id,
            exchange.answer(card, lambda: [question])[:1],
            kind="proactive",
            conversation_id=turn.conversation.id,
            topic=f"intro:{one.id}",
        )
    return work


def plain_words(turn: Turn, item: Item) -> str:
    """What is said of an item when the model's words are not fit to be sent."""
    request, response = item.request, item.response
    if item.item_type == "intro_opportunity":
        return introductions.plain_words(item, turn.member.id)
    if item.item_type == "community_response" and response is not None:
        asked = " Did that help?" if item.shown == 0 else ""
        return f"There is an answer to your question: {response.response_text}{asked}"
    if item.item_type == "expert_impact_notification" and response is not None:
        return priorities.impact_text(response.impact_description)
    if item.solution is not None and item.solution.recommendation:
        return f"On what you wanted looked into: {item.solution.recommendation}"
    question = request.question if request is not None else ""
    return f"A member asks: {question} Is that something you know about?"


def _safe(turn: Turn, desk: Desk) -> list[str]:
    """What is said when the model's answer is not fit to be sent; it brings nothing up."""
    desk.shows = []
    if context.only_media(turn):
        return ["I cannot open pictures or files here. Could you write it out?"]
    return ["I did not get that into words properly. Could you say it another way?"]
