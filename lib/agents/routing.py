"""Who answers whom (behaviour.md, agents)."""

from lib.domain import messaging
from lib.engine.turn import Member


def agent_for(member: Member) -> str:
    """The agent type that answers this member: `bouncer` until verified, then `concierge`.

    Solution providers (`poc_agent_type` innovator) are the concierge's until the innovator agent
    exists; so is everyone with a type that no agent here answers to.
    """
    return "concierge" if member.verified else "bouncer"


def is_served(member: Member) -> bool:
    """Whether an agent works for this member: not once an operator has rejected or suspended them
    (`users.status_level`)."""
    return member.status_level not in messaging.UNSERVED_TEXTS
