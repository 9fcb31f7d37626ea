"""A text that waits is judged when it is due: sent as it is, written anew, or not sent at all
(behaviour.md, "Fresh context"). One that nobody has written yet gets its words here."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lib.agents.background import Job, tagged
from lib.agents.context import NOT_DELIVERED, words_of
from lib.agents.routing import agent_for
from lib.core.model import JSON, Complete
from lib.core.prices import CONVERSATION_MODEL
from lib.domain import voice
from lib.domain.zones import zone_of
from lib.engine.render import Rendering, Verdict
from lib.engine.work import DecisionFailed, UnitOfWork

_AGENTS = frozenset({"bouncer", "concierge", "innovator"})
_WRITERS = {"user": "member", "assistant": "agent"}

#: What an operator reads of a text that never left: fixed words, whatever the model was told.
REASONS = {
    "settled": "settled by what the member wrote",
    "said": "said already",
    "unwanted": "the member does not want it",
    "out_of_place": "out of place by now",
}
#: Both answers of the model broke a rule. Nothing is safe to say in place of what nobody asked for.
UNFIT = "no fit words were found"


class Answer(BaseModel):
    """The model's answer."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["send", "rewrite", "supersede"]
    texts: list[str]
    reason: Literal["", "settled", "said", "unwanted", "out_of_place"]


@cache
def _job(agent_type: str) -> Job:
    return Job(
        "text_judgement",
        agent_type,
        model=CONVERSATION_MODEL,
        schema=json.dumps(Answer.model_json_schema()),
    )


def judge(text: Rendering, complete: Complete, deadline: float) -> tuple[Verdict, UnitOfWork]:
    """What is to become of a queued text, and the model calls that it took.

    `deadline` (seconds of time.monotonic()) is when the model must be done. An answer that breaks a
    rule is asked for once more; a second one supersedes the text.

    Raises:
        DecisionFailed: no answer; its cause is ModelUnavailable, ModelRejected or an error of ours.
    """
    agent = text.agent_id if text.agent_id in _AGENTS else agent_for(text.member)
    work = UnitOfWork(text.source, created_by=agent, source_type="message_queue")
    try:
        return _verdict(text, complete, deadline, work), work
    except Exception as error:
        raise DecisionFailed(work) from error


def _verdict(text: Rendering, complete: Complete, deadline: float, work: UnitOfWork) -> Verdict:
    job = _job(work.created_by)
    card = _card(text)
    content = _content(text, card)
    given = _given(text, card)
    advice = ""
    for _ in range(2):
        said = job.ask(
            content + advice,
            work=work,
            complete=complete,
            deadline=deadline,
            user_id=text.member.id,
        )
        verdict, problems = _read(said, text, given, job.instructions)
        if not problems:
            return verdict
        advice = "\n(This is not from the member.) Your answer was not taken. " + " ".join(
            problem.advice for problem in problems
        )
    return Verdict(verdict="supersede", reason=UNFIT)


def _read(
    said: str, text: Rendering, given: str, instructions: str
) -> tuple[Verdict, Sequence[voice.Problem]]:
    """The model's answer as a verdict, with every rule that it breaks."""
    unfit = Verdict(verdict="supersede", reason=UNFIT)
    try:
        answer = Answer.model_validate_json(said)
    except ValidationError:
        return unfit, [voice.Problem("unreadable", "Answer with the one JSON object alone.")]
    match answer.verdict:
        case "send":
            if any(draft.content is None for draft in text.drafts):
                return unfit, [voice.Problem("unwritten", "It is not written yet: write it.")]
            return Verdict(verdict="send"), []
        case "supersede":
            if not answer.reason:
                return unfit, [voice.Problem("no_reason", "Give one of the reasons.")]
            return Verdict(verdict="supersede", reason=REASONS[answer.reason]), []
    texts = [tidied for words in answer.texts if (tidied := voice.tidy(words))]
    drafts = "\n".join(draft.content or "" for draft in text.drafts)
    problems = voice.problems(texts, given=given, relayed=drafts, instructions=instructions)
    if len(texts) > len(text.drafts):
        most = len(text.drafts)
        problems.append(voice.Problem("more_texts", f"Write at most {most} texts."))
    return Verdict(verdict="rewrite", texts=texts), problems


def _card(text: Rendering) -> JSON:
    member = text.member
    zone = zone_of(member.timezone, member.phone_number)
    queued_at = min(draft.created_at for draft in text.drafts)
    known = {
        "first_name": member.first_name,
        "last_name": member.last_name,
        "company": member.company,
        "title": member.title,
        "expertise": member.expertise,
    }
    return {
        "known": {key: value for key, value in known.items() if value},
        "local_time": text.now.astimezone(zone).strftime("%Y-%m-%dT%H:%M"),
        "queued_at": queued_at.astimezone(zone).strftime("%Y-%m-%dT%H:%M"),
        # What stands behind the colon is an id.
        "about": [about for about in [(text.topic or "").split(":")[0], *text.items] if about],
        "texts": len(text.drafts),
    }


def _content(text: Rendering, card: JSON) -> str:
    summary = text.conversation.conversation_summary if text.conversation else None
    return "\n".join(
        [
            tagged("card", json.dumps(card, ensure_ascii=False)),
            *([tagged("summary", summary)] if summary else []),
            *(
                tagged(
                    _WRITERS[message.role],
                    ("(not delivered) " if message.status in NOT_DELIVERED else "")
                    + message.content,
                )
                for message in text.history
            ),
            *(tagged("draft", draft.content or "") for draft in text.drafts),
        ]
    )


def _given(text: Rendering, card: JSON) -> str:
    """Everything the model was shown, as it was before escaping."""
    summary = text.conversation.conversation_summary if text.conversation else None
    return "\n".join(
        [
            summary or "",
            *(message.content for message in text.history),
            *(draft.content or "" for draft in text.drafts),
            words_of(card),
        ]
    )
