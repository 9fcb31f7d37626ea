"""The hand-over: an operator has approved somebody, and another agent serves them from now on."""

from lib.agents import concierge, silence
from lib.agents.account_manager import schedule_review
from lib.agents.routing import agent_for, is_served
from lib.core.ids import derived_id
from lib.engine.documents import Approval
from lib.engine.registry import Verified
from lib.engine.step import Claim
from lib.engine.turn import Member, Turn
from lib.engine.work import UnitOfWork

#: The prompt of each agent that members are handed to.
_PROMPTS = {concierge.AGENT_TYPE: concierge.PROMPT}


def take_on(claim: Claim) -> UnitOfWork:
    """End the instances of other agents, begin the new one's, and say who writes from here on.

    No model is asked: what is to be said is known. Somebody who was suspended again meanwhile is
    left alone. Whoever was served by this agent before keeps its instance and is told nothing new.
    """
    approval = Approval.model_validate(claim.context)
    wanted = Verified.model_validate(claim.payload)
    member = approval.member
    agent = agent_for(member)
    work = UnitOfWork(claim.source, created_by=agent)
    if not (member.verified and is_served(member)):
        return work
    for instance in approval.agent_instances:
        if instance.agent_type != agent:
            work.update(
                "agent_instances",
                instance.id,
                {"status": "terminated", "terminated_at": approval.now},
                expect={"status": "active"},
            )
    kept = next((i.id for i in approval.agent_instances if i.agent_type == agent), None)
    instance_id = kept or work.insert(
        "agent_instances",
        {
            "agent_type": agent,
            "user_id": member.id,
            "config_json": {},
            "prompt_version": _PROMPTS[agent].version,
            "status": "active",
        },
        id=derived_id(claim.source, f"agent:{agent}"),
    )
    work.update(
        "users",
        member.id,
        {"poc_agent_id": str(instance_id), "poc_agent_type": wanted.poc_agent_type},
        expect={"verified": True, "poc_agent_type": member.poc_agent_type},
    )
    if kept is None or not approval.has_been_member:
        work.say(
            member.id,
            [_welcome(member, again=approval.has_been_member)],
            kind="reply",
            conversation_id=approval.conversation.id if approval.conversation else None,
            priority="high",
        )
    schedule_review(work, member.id, approval.now)
    if approval.conversation is not None:
        silence.put_off(work, _silent(claim, approval))
    return work


def _welcome(member: Member, *, again: bool) -> str:
    name = f", {member.first_name}" if member.first_name else ""
    if again:
        return f"You are a member again{name}. Write to me whenever you need something."
    return (
        f"Welcome to Yachtparty{name}: the team has approved you. From now on I work for you here."
        " Tell me what you are looking for, or what others could ask you about."
    )


def _silent(claim: Claim, approval: Approval) -> Turn:
    """The member as in a turn without texts."""
    known = approval.model_dump(include={"now", "member", "conversation", "re_engagement"})
    return Turn.model_validate(known | {"source": claim.source, "history": [], "texts": []})
