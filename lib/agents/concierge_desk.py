"""What the concierge may do for one member in one turn, and what it is told of them.

Its tools (lib/agents/concierge_tools.py) name things by their place in this turn's card, so that no
other row can be meant.
"""

import re
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from lib.agents import context
from lib.agents.introductions import Introductions
from lib.agents.preferences import Preferences
from lib.agents.tools import ToolError
from lib.core.ids import derived_id
from lib.core.model import JSON
from lib.domain import identity, names, priorities, solutions, voice
from lib.domain.onboarding import OwnWords
from lib.engine.registry import (
    OutcomeReported,
    RequestNeeded,
    ResponseReceived,
    SolutionNeeded,
    Urgency,
)
from lib.engine.turn import Item, OwnAnswer, OwnRequest, Turn
from lib.engine.work import UnitOfWork

#: Open questions of one member to others at a time.
MAX_OPEN_REQUESTS = 3
MAX_WORDS_CHARS = 1000

#: Words of somebody who asks for what is on their list.
_ASKS_WHAT_THERE_IS = re.compile(
    r"\b(?:new|news|updates?|answer\w*|repl\w+|respon\w+|heard?|waiting|questions?|asked|found"
    r"|find|result\w*|anything|someone|anyone|anybody|somebody|recommend\w*|help|else|more)\b",
    re.IGNORECASE,
)
_WHAT = {
    "community_request": "a question of another member",
    "community_response": "an answer to their question",
    "expert_impact_notification": "what came of an answer they gave",
    "intro_opportunity": "an introduction",
    "solution_update": "what was found for something they wanted looked into",
}


class Desk:
    """What the concierge may do for one member in one turn."""

    def __init__(self, turn: Turn, work: UnitOfWork) -> None:
        self._turn = turn
        self._work = work
        self._items = [item for item in turn.items if item.item_type in _WHAT]
        self.preferences = Preferences(turn, OwnWords(context.own_texts(turn)))
        self.introductions = Introductions(turn, work)
        self._done: set[UUID] = set()
        self._matched: UUID | None = None
        self._open = len(turn.requests)
        self._researches = len(turn.researches)
        #: The member does not want to be written to first for a while.
        self.not_now = False
        #: Priorities that the answer brings up.
        self.shows: list[UUID] = []

    def card(self) -> JSON:
        """What the model is told of the member."""
        member = self._turn.member
        known = {
            "first_name": member.first_name,
            "last_name": member.last_name,
            "company": member.company,
            "title": member.title,
            "expertise": member.expertise,
            "linkedin_url": member.linkedin_url,
        }
        card: JSON = {
            "known": {key: value for key, value in known.items() if value},
            "local_time": context.local_time(self._turn),
            **self.preferences.card(),
        }
        if self._items:
            card["items"] = [
                self._described(n, item) for n, item in enumerate(self._items, start=1)
            ]
        if self._turn.requests:
            card["requests"] = [
                {
                    "request": n,
                    "about": request.request_summary,
                    "question": request.question,
                    "answers": request.responses_count or 0,
                }
                for n, request in enumerate(self._turn.requests, start=1)
            ]
        if self._turn.researches:
            card["researches"] = [one.request_description for one in self._turn.researches]
        if self._turn.intros:
            card["intros"] = self.introductions.card()
        if (mention := self._to_mention()) is not None:
            card["may_mention"] = self._items.index(mention) + 1
        return card

    def present(self, priority_ids: list[UUID]) -> Item | None:
        """The one item to bring up now, and remember that it is; None when all is over.

        The best of those due; in a morning, of all that wait for one. What is worth so much that it
        did not wait is brought up itself.
        """
        active = [item for item in self._items if self._may_be_shown(item)]
        best = priorities.ranked([item for item in active if item.id in priority_ids])[0][:1]
        if not best or (best[0].value_score or 0) < priorities.NOW_FROM:
            best = priorities.ranked(
                [*best, *(i for i in active if (i.value_score or 0) >= priorities.MORNING_FROM)]
            )[0][:1]
        self.shows = [item.id for item in best]
        return best[0] if best else None

    def place(self, item: Item) -> int:
        """Where an item stands on the card."""
        return self._items.index(item) + 1

    def item(self, place: int) -> Item:
        """The item at a place of the card.

        Raises:
            ToolError: there is none, or it was acted on in this turn.
        """
        if not 1 <= place <= len(self._items):
            raise ToolError("There is no such item.")
        item = self._items[place - 1]
        if item.id in self._done:
            raise ToolError("That item has been dealt with already.")
        return item

    def ask(self, wanted: RequestNeeded) -> JSON:
        """Emit the wish to ask other members."""
        if self._open >= MAX_OPEN_REQUESTS:
            raise ToolError("Three questions of theirs are open; one must be cancelled first.")
        words = (wanted.question, wanted.requester_context or "", wanted.request_summary)
        self._refuse_identity(*words)
        self._refuse_inventions("\n".join(words), self._known_words())
        self._open += 1
        self._work.emit("community.request_needed", wanted, aggregate_id=self._turn.member.id)
        return {"asked": True, "known_so_far": "not yet who can answer, nor whether anybody can"}

    def look_into(self, need: str, category: str | None, urgency: Urgency) -> JSON:
        """Emit the wish to have something looked into."""
        if self._researches >= solutions.MAX_OPEN:
            raise ToolError("Three things are being looked into for them; one must be done first.")
        said = "\n".join([*context.own_texts(self._turn), context.summary(self._turn)])
        if unknown := names.unknown(need, given=said):
            raise ToolError(f"Not in their words: {', '.join(unknown[:5])}.")
        self._researches += 1
        self._work.emit(
            "user.inquiry.solution_needed",
            SolutionNeeded(
                request_description=need,
                category=category,
                urgency=urgency,
                conversation_id=self._turn.conversation.id,
            ),
            aggregate_id=self._turn.member.id,
        )
        return {"begun": True, "known_so_far": "not yet what will be found, nor when"}

    def record_answer(self, place: int, summary: str) -> JSON:
        """Record what the member answers to another member's question; what they add within a
        minute belongs to it."""
        item = self.item(place)
        request = item.request
        if item.item_type != "community_request" or request is None:
            raise ToolError("That item is no question.")
        self._match(item)
        given = item.own_answer if self._may_add(item) else None
        if item.has_answered and given is None:
            raise ToolError("They have answered that already; one answer counts.")
        if not any(text.content.strip() for text in self._turn.texts):
            raise ToolError("There is no answer in the new texts.")
        verbatim = self._verbatim(given)
        self._refuse_identity(summary)
        self._refuse_inventions(summary, f"{verbatim}\n{request.question}")
        self._done.add(item.id)
        words = {"response_text": summary, "verbatim_answer": verbatim[: 10 * MAX_WORDS_CHARS]}
        if given is not None:
            # Once it is scored it stands as it is.
            self._work.update(
                "community_responses", given.id, words, expect={"usefulness_score": None}
            )
            return {"added": True}
        member_id = self._turn.member.id
        response_id = derived_id(request.id, str(member_id))
        self._work.insert(
            "community_responses",
            {
                "request_id": request.id,
                "user_id": member_id,
                **words,
                "status": "provided",
                "created_at": self._turn.now,
            },
            id=response_id,
        )
        open_ = request.status != "closed"
        if open_:
            self._work.update(
                "community_requests",
                request.id,
                {"status": "responses_received"},
                expect={"status": request.status},
            )
            self._work.add("community_requests", request.id, responses_count=1)
        self._end(item, "actioned")
        self._work.emit(
            "community.response_received",
            ResponseReceived(response_id=response_id, request_id=request.id),
            aggregate_id=member_id,
        )
        return {"recorded": True, "the_question_is": "open" if open_ else "closed, nothing is paid"}

    def _may_add(self, item: Item) -> bool:
        """Whether the new texts can still belong to the answer that the member gave."""
        if item.own_answer is None or not self._turn.texts:
            return False
        since = min(text.created_at for text in self._turn.texts) - item.own_answer.created_at
        return since < context.ONE_THOUGHT

    def _verbatim(self, given: OwnAnswer | None) -> str:
        """The member's answer in their words: the thought that the new texts end, without what is
        in an answer of theirs already; or what was `given` with the new texts."""
        new = [text.content for text in self._turn.texts]
        if given is not None:
            return "\n".join([given.verbatim_answer, *new]).strip()
        recorded = "\n".join(i.own_answer.verbatim_answer for i in self._items if i.own_answer)
        thought = context.one_thought(self._turn)
        return "\n".join(t for t in thought if t in new or t not in recorded).strip()

    def report_outcome(self, place: int) -> JSON:
        """Pass on, in the member's words, what came of an answer they got."""
        item = self.item(place)
        if item.item_type != "community_response" or item.response is None:
            raise ToolError("That item is no answer to a question of theirs.")
        self._match(item)
        impact = " ".join(text.content for text in self._turn.texts).strip()[:MAX_WORDS_CHARS]
        self._done.add(item.id)
        self._end(item, "actioned")
        self._work.emit(
            "community.outcome_reported",
            OutcomeReported(
                response_id=item.response.id,
                # Words that say who wrote them are not passed on.
                impact="" if self._identifies(impact) else impact,
            ),
            aggregate_id=self._turn.member.id,
        )
        return {"passed_on": True}

    def accept(self, place: int) -> JSON:
        """The member says yes to an introduction."""
        item = self.item(place)
        if item.item_type != "intro_opportunity":
            raise ToolError("That item is no introduction.")
        self._match(item)
        result = self.introductions.accept(item)
        self._done.add(item.id)
        self._end(item, "actioned")
        return result

    def decline(self, place: int) -> JSON:
        """Take an item off the list; an introduction is declined."""
        item = self.item(place)
        self._done.add(item.id)
        if item.item_type == "intro_opportunity":
            self._end(item, "actioned")
            return self.introductions.decline(item)
        self._end(item, "expired")
        return {"dropped": True}

    def mention(self, place: int) -> JSON:
        """Remember that the answer brings an item up."""
        item = self.item(place)
        if item is not self._to_mention():
            raise ToolError("That item is not to be brought up now.")
        self.shows = [item.id]
        return {"noted": True}

    def unannounced(self, texts: Sequence[str]) -> list[voice.Problem]:
        """What is wrong with an answer that brings up an item without `mention`, so that nobody
        would count it as shown. Who asks what there is may be told."""
        if _ASKS_WHAT_THERE_IS.search("\n".join(text.content for text in self._turn.texts)):
            return []
        heard = [
            *(message.content for message in self._turn.history),
            *(request.question for request in self._turn.requests),
            *(research.request_description for research in self._turn.researches),
        ]
        known = "\n".join([self._known_words(), *heard])
        dealt_with = {*self.shows, *self._done}
        told = any(
            priorities.tells("\n".join(texts), _substance(item), known=known)
            for item in self._items
            if not item.brought_up and item.id not in dealt_with
        )
        advice = "Leave out the items that you did not mention with mention_item."
        return [voice.Problem("unannounced", advice)] if told else []

    def cancel(self, place: int) -> JSON:
        """Close a question of the member's own; if others wait for its answers, it is theirs."""
        request = self._own_request(place)
        self._done.add(request.id)
        self._open -= 1
        closed = {
            "status": "closed",
            "closed_loop_at": self._turn.now,
            "closed_loop_message": "Cancelled by the member who asked.",
        }
        self._work.update(
            "community_requests",
            request.id,
            {"requesting_user_id": None} if request.attached else closed,
            expect={"status": request.status, "requesting_user_id": self._turn.member.id},
        )
        return {"cancelled": True}

    def _to_mention(self) -> Item | None:
        now = self._turn.now
        return next(
            (
                item
                for item in self._items
                if self._may_be_shown(item)
                and priorities.may_be_mentioned(item.value_score, item.shown_at, now)
            ),
            None,
        )

    def _may_be_shown(self, item: Item) -> bool:
        decidable = item.item_type != "intro_opportunity" or self.introductions.is_open(item)
        return item.status == "active" and decidable

    def _match(self, item: Item) -> None:
        """A reply is taken for the answer to one item, and to one that they have been told of."""
        if not item.brought_up:
            raise ToolError("They have not been told of that item, so this is no answer to it.")
        if self._matched not in (None, item.id):
            raise ToolError("A reply answers one item; ask what they say to the other.")
        self._matched = item.id

    def _described(self, place: int, item: Item) -> JSON:
        described = _described(place, item) | self.introductions.described(item)
        if item.own_answer is not None and self._may_add(item):
            described |= {"their_answer": item.own_answer.verbatim_answer, "may_add": True}
        return described

    def _own_request(self, place: int) -> OwnRequest:
        if not 1 <= place <= len(self._turn.requests):
            raise ToolError("There is no such request.")
        request = self._turn.requests[place - 1]
        if request.id in self._done:
            raise ToolError("That request has been cancelled already.")
        return request

    def _end(self, item: Item, status: Literal["actioned", "expired"]) -> None:
        if item.status != status:
            self._work.update(
                "user_priorities", item.id, {"status": status}, expect={"status": item.status}
            )

    def _known_words(self) -> str:
        """What the member said, as far back as it is known."""
        summary = self._turn.conversation.conversation_summary or ""
        return "\n".join([summary, *context.own_texts(self._turn)])

    def _refuse_inventions(self, words: str, given: str) -> None:
        """What goes to other members counts as said there, so it must have been said here."""
        if unknown := names.unknown(words, given=given):
            raise ToolError(f"Not in their words: {', '.join(unknown[:5])}.")

    def _refuse_identity(self, *words: str) -> None:
        if any(self._identifies(said) for said in words):
            raise ToolError("Leave out who they are: no name, company or address of theirs.")

    def _identifies(self, words: str) -> bool:
        """Whether words say who the member is, or where they can be reached."""
        member = self._turn.member
        return identity.reveals(
            words,
            first_name=member.first_name,
            last_name=member.last_name,
            company=member.company,
            email=member.email,
            linkedin_url=member.linkedin_url,
        )


def _substance(item: Item) -> str:
    """What an item has to tell: the question, the answer or the recommendation."""
    if item.item_type == "community_request" and item.request is not None:
        return item.request.question
    if item.item_type == "community_response" and item.response is not None:
        return item.response.response_text
    return (item.solution.recommendation or "") if item.solution is not None else ""


def _described(place: int, item: Item) -> JSON:
    """An item as the model reads it; nobody is named in it."""
    request, response = item.request, item.response
    described: JSON = {"item": place, "what": _WHAT[item.item_type], "brought_up": item.brought_up}
    if request is not None:
        described["question"] = request.question
        if item.item_type == "community_request":
            described["situation"] = request.requester_context
            described["open"] = request.status != "closed"
            described["answered_by_them"] = item.has_answered
    if response is not None and item.item_type == "community_response":
        described["answer"] = response.response_text
    if response is not None and item.item_type == "expert_impact_notification":
        described["their_answer"] = response.response_text
        described["outcome"] = priorities.impact_text(response.impact_description)
    if item.solution is not None:
        described["need"] = item.solution.request_description
        described["recommendation"] = item.solution.recommendation
    return {key: value for key, value in described.items() if value is not None}
