"""What a member says about introductions, taken from their turn (behaviour.md, "Intros").

The connector is asked while an opportunity is open, the innovator once the connector has said yes.
Neither is told who the other is before both have (lib/agents/intros.py).
"""

from typing import Literal

from lib.agents.tools import ToolError
from lib.core.model import JSON
from lib.domain import intros
from lib.engine.registry import IntroOpportunity
from lib.engine.turn import Item, Opportunity, Turn
from lib.engine.work import UnitOfWork

MAX_WORDS_CHARS = 1000

Role = Literal["connector", "innovator"]


class Introductions:
    """One member's, in one turn."""

    def __init__(self, turn: Turn, work: UnitOfWork) -> None:
        self._turn = turn
        self._work = work
        self._done: set[int] = set()

    def card(self) -> list[JSON]:
        """Those that are under way, as the model is told of them."""
        return [self._described(n, one) for n, one in enumerate(self._turn.intros, start=1)]

    def is_open(self, item: Item) -> bool:
        """Whether the member may still decide about it."""
        one = item.opportunity
        member_id = self._turn.member.id
        return (
            one is not None
            and member_id in (one.connector_user_id, one.innovator_user_id)
            and undecided(one) == self._role(one)
        )

    def described(self, item: Item) -> JSON:
        """What the model is told of one that the member is to decide about."""
        one = item.opportunity
        if one is None:
            return {}
        about: JSON = {
            "person": intros.who(one.prospect_name, one.prospect_title, one.prospect_company),
            "open": self.is_open(item),
            "credits": one.bounty,
        }
        if self._role(one) == "innovator":
            return about | {"role": "to be introduced", "gives": "their name and e-mail address"}
        offered = intros.offer(one.offer, one.categories, hidden=one.hidden)
        return about | {"role": "could introduce"} | ({"offered": offered} if offered else {})

    def accept(self, item: Item) -> JSON:
        """The member says yes."""
        one = self._undecided(item)
        now = self._turn.now
        if self._role(one) == "connector":
            self._work.update(
                "intro_opportunities",
                one.id,
                {"status": "accepted", "connector_response": self._words(), "updated_at": now},
                expect={"status": "open"},
            )
            self._pause_others(one)
            result = {"noted": True, "next": "the other side is asked; who it is comes after"}
        else:
            if (one.innovator_balance or 0) < one.bounty:
                raise ToolError(
                    f"They have {one.innovator_balance or 0} credits and it takes {one.bounty}."
                )
            self._work.update(
                "intro_opportunities",
                one.id,
                {"intro_scheduled_at": now, "intro_email": one.innovator_email, "updated_at": now},
                expect={"status": "accepted", "intro_scheduled_at": None},
            )
            result = {"noted": True, "next": "they get a text that says who introduces them"}
        self._emit("intro.opportunity_accepted", one)
        return result

    def decline(self, item: Item) -> JSON:
        """The member says no; one that is over already changes nothing."""
        if item.opportunity is not None and self.is_open(item):
            self._end(item.opportunity)
        return {"dropped": True}

    def report(self, place: int, *, happened: bool) -> JSON:
        """The member says that an introduction was made, or that it will not be."""
        if not 1 <= place <= len(self._turn.intros) or place in self._done:
            raise ToolError("There is no such introduction under way.")
        one = self._turn.intros[place - 1]
        if not happened:
            self._done.add(place)
            self._end(one)
            return {"ended": True}
        if one.agreed_at is None:
            raise ToolError("The other side has not said yes yet, so it cannot have been made.")
        self._done.add(place)
        self._work.update(
            "intro_opportunities",
            one.id,
            {
                "status": "completed",
                "intro_completed_at": self._turn.now,
                "updated_at": self._turn.now,
            },
            expect={"status": "accepted"},
        )
        self._emit("intro.opportunity_completed", one)
        return {"completed": True, "credits": one.bounty}

    def _undecided(self, item: Item) -> Opportunity:
        if item.opportunity is None:
            raise ToolError("That item is no introduction.")
        if not self.is_open(item):
            raise ToolError("That introduction is not to be made any more; somebody else may be.")
        return item.opportunity

    def _end(self, one: Opportunity) -> None:
        values: JSON = {"status": "declined", "updated_at": self._turn.now}
        if self._role(one) == "connector":
            values["connector_response"] = self._words()
        self._work.update(
            "intro_opportunities",
            one.id,
            values,
            expect={"status": one.status, "intro_scheduled_at": one.agreed_at},
        )
        self._emit("intro.opportunity_declined", one)

    def _pause_others(self, one: Opportunity) -> None:
        """What leads to the same person is not brought up any more; it stays open.

        Each is expected to be open still, so that of two members who say yes at once one is told
        that it is too late.
        """
        for other in one.competing:
            self._work.update(
                "intro_opportunities",
                other.id,
                {"updated_at": self._turn.now},
                expect={"status": "open"},
            )
            for item in other.priorities:
                if item.status in ("active", "presented"):
                    self._work.update(
                        "user_priorities",
                        item.id,
                        {"status": "expired"},
                        expect={"status": item.status},
                    )

    def _described(self, place: int, one: Opportunity) -> JSON:
        about: JSON = {
            "intro": place,
            "person": intros.who(one.prospect_name, one.prospect_title, one.prospect_company),
            "agreed": one.agreed_at is not None,
            "credits": one.bounty,
        }
        if self._role(one) == "innovator":
            return about | {"role": "is introduced", "by": one.connector_name}
        to = ", ".join(name for name in (one.innovator_name, one.innovator_company) if name)
        email = one.innovator_email if one.agreed_at is not None else None
        return about | {"role": "introduces", "to": to or None, "address": email}

    def _role(self, one: Opportunity) -> Role:
        mine = one.connector_user_id == self._turn.member.id
        return "connector" if mine else "innovator"

    def _words(self) -> str:
        return "\n".join(text.content for text in self._turn.texts).strip()[:MAX_WORDS_CHARS]

    def _emit(
        self,
        event_type: Literal[
            "intro.opportunity_accepted",
            "intro.opportunity_declined",
            "intro.opportunity_completed",
        ],
        one: Opportunity,
    ) -> None:
        payload = IntroOpportunity(intro_opportunity_id=one.id)
        self._work.emit(event_type, payload, aggregate_id=self._turn.member.id)


def undecided(one: Opportunity) -> Role | None:
    """Whose decision it waits for; None: nobody's."""
    if one.status == "open" and not (one.taken or one.prospect_is_member):
        return "connector"
    if one.status == "accepted" and one.agreed_at is None:
        return "innovator"
    return None


def plain_words(item: Item, member_id: object) -> str:
    """What is said of one when the model's words are not fit to be sent."""
    one = item.opportunity
    if one is None:
        return "There is an introduction that you may want to hear of. Shall I say more?"
    person = intros.who(one.prospect_name, one.prospect_title, one.prospect_company)
    if one.connector_user_id != member_id:
        paid = f" It takes {one.bounty} credits once it has happened." if one.bounty else ""
        return (
            f"A member could introduce you to {person}. Then they get your name and e-mail"
            f" address.{paid} Shall they?"
        )
    offered = intros.offer(one.offer, one.categories, hidden=one.hidden)
    what = f", who offers this: {offered.rstrip('.')}" if offered else ""
    paid = f" It brings {one.bounty} credits once it has happened." if one.bounty else ""
    return f"Could you introduce {person} to a member{what}?{paid}"
