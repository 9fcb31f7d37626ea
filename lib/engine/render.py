"""Texts that are written, or judged afresh, before they may leave: claim, judge, commit.

Under a lease of their own, beside the sending: nothing else ever waits for the model. A text of the
member's ends the lease, and what was judged before it is refused (protocol.md, 28).
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID, uuid4

from pydantic import Field

from lib.adapters.supabase import Database, DatabaseUnavailable
from lib.core import log, trace
from lib.core.ids import derived_id
from lib.core.model import JSON, ModelUnavailable
from lib.engine.outbox import Outbox, report_broken
from lib.engine.step import CommitRefused
from lib.engine.turn import Conversation, Document, Member, Message, Time
from lib.engine.work import DecisionFailed, UnitOfWork

_log = log.get("render")

#: Seconds the model gets for one text, a second try included, and the lease around them.
JUDGE_S = 25.0
LEASE_S = 45
#: Texts judged at the same time by one run: they wait for the model, not for the processor.
THREADS = 16
#: Claims in a row that hand out nothing, since the gate held what they found, before a run ends.
FRUITLESS_MOST = 100


class Draft(Document):
    """One queued text; `content` is None while nobody has written it."""

    id: UUID
    content: str | None = Field(default=None, repr=False)
    created_at: Time


class Rendering(Document):
    """What judging a queued text needs; `drafts` are the parts of a sequence, mostly one text.

    Built by sql/functions/render_context.sql. Times are UTC; `now` is the database's clock.
    `history` are the latest 20 messages, oldest first; `items` the types of the priorities it is
    about.
    """

    source: UUID
    now: Time
    member: Member
    conversation: Conversation | None = None
    history: list[Message]
    agent_id: str
    topic: str | None = None
    items: list[str] = Field(default_factory=list)
    drafts: list[Draft]


class Verdict(Document):
    """What is to become of a queued text.

    `texts` are its new words, at most one for each part; `reason` says why it never leaves.
    """

    verdict: Literal["send", "rewrite", "supersede"]
    texts: list[str] = Field(default_factory=list, repr=False)
    reason: str = ""


#: `judge(text, deadline)` → the verdict and the model calls; `deadline` in time.monotonic() s.
#: Raises DecisionFailed with the calls made.
Judge = Callable[[Rendering, float], tuple[Verdict, UnitOfWork]]


@dataclass
class Rendered:
    """Counts of one run."""

    claimed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


class Renderer:
    """Has queued texts written or judged. Safe to share between threads."""

    def __init__(self, database: Database, judge: Judge, outbox: Outbox) -> None:
        self._database = database
        self._judge = judge
        self._outbox = outbox

    def run(self, claim_for_s: float) -> Rendered:
        """Judge what is due until nothing is, claiming for `claim_for_s` seconds at most.

        Raises:
            DatabaseError: the database failed; what was claimed and not recorded is claimed again
                once its lease has run out.
        """
        until = time.monotonic() + claim_for_s
        rendered = Rendered()
        fruitless = 0
        while time.monotonic() < until and fruitless < FRUITLESS_MOST:
            token = uuid4()
            claim = self._database.call(
                "claim_renders", token=token, limit=THREADS, lease_s=LEASE_S
            )
            report_broken(claim)
            renders: list[JSON] = claim["renders"]
            rendered.claimed += len(renders)
            fruitless = 0 if renders else fruitless + 1
            if renders:
                one = log.carried(lambda render, token=token: self._one(render, token))
                with ThreadPoolExecutor(THREADS, thread_name_prefix="render") as pool:
                    rendered.outcomes.update(pool.map(one, renders))
            elif not claim["more"]:
                break
        return rendered

    def _one(self, render: JSON, token: UUID) -> str:
        text_id = UUID(render["id"])
        fields = {"text_id": str(text_id), "user": log.user_hash(render["user_id"])}
        with trace.step(_log, "render", **fields) as step:
            outcome = self._decide(text_id, render["context"], token)
            step.say(outcome=outcome)
        return outcome

    def _decide(self, text_id: UUID, context: JSON, token: UUID) -> str:
        """Judge one text and commit the verdict; returns the verdict, or what came instead.

        stale: the member has written meanwhile. rescheduled, superseded: judging failed.
        """
        work: UnitOfWork | None = None
        try:
            text = Rendering.model_validate(context | {"source": text_id})
            with trace.span("judge"):
                verdict, work = self._judge(text, time.monotonic() + JUDGE_S)
            commit = self._database.call(
                "commit_render", token=token, id=text_id, verdict=verdict, calls=_calls(work, token)
            )
            if commit["outcome"] == "invalid":
                raise CommitRefused(commit["error"])
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever judging raises is recorded, not lost
            return self._fail(text_id, token, work, error)
        if commit["outcome"] != "applied":
            return str(commit["outcome"])
        self._outbox.send_for(commit["texts_due"])
        return verdict.verdict

    def _fail(self, text_id: UUID, token: UUID, work: UnitOfWork | None, error: Exception) -> str:
        cause: BaseException | None = error
        if isinstance(error, DecisionFailed):
            work, cause = error.work, error.__cause__
        kind = "dependency" if isinstance(cause, ModelUnavailable) else "own"
        answer = self._database.call(
            "fail_render",
            token=token,
            id=text_id,
            error=log.describe(cause),
            kind=kind,
            calls=_calls(work, token) if work else [],
        )
        if kind == "dependency":
            trace.warn(kind=kind, reason=log.describe(cause))
        else:
            trace.fail(cause, kind=kind, reason=log.describe(cause))
        return str(answer["outcome"])


def _calls(work: UnitOfWork, token: UUID) -> list[JSON]:
    """The model calls as rows, with ids of this claim's: each attempt's cost counts."""
    base = derived_id(token, str(work.source))
    return [{"id": str(derived_id(base, n)), **call} for n, call in enumerate(work.calls)]
