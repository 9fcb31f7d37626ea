"""The solution saga: speaks to nobody. It drives what a member needs from research over the members
who know to a recommendation (behaviour.md, "Agents" and journey B).

`solution_workflows.current_step` is where a workflow is; every change of it expects the step and
the last decision that were read, so that two decisions cannot both take it further.
"""

import json
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from lib.agents.background import Job, tagged
from lib.core.ids import derived_id
from lib.core.model import JSON, Complete
from lib.domain import identity, intros, solutions, voice
from lib.engine.documents import Offer, Solution, Workflow
from lib.engine.registry import RequestNeeded, ResearchComplete, SolutionNeeded, WorkflowStep
from lib.engine.step import Claim, Malformed
from lib.engine.turn import Member
from lib.engine.work import DecisionFailed, UnitOfWork

AGENT_TYPE = "solution_saga"


class Research(BaseModel):
    """The model's answer to solution_research."""

    model_config = ConfigDict(extra="forbid")

    findings: list[str]
    question: str
    about: str
    expertise: list[str]
    fitting_offers: list[int]


class Recommendation(BaseModel):
    """The model's answer to solution_recommendation."""

    model_config = ConfigDict(extra="forbid")

    recommendation: str


AnswerT = TypeVar("AnswerT", bound=BaseModel)

RESEARCH = Job("solution_research", AGENT_TYPE, schema=json.dumps(Research.model_json_schema()))
RECOMMEND = Job(
    "solution_recommendation", AGENT_TYPE, schema=json.dumps(Recommendation.model_json_schema())
)


class UnusableAnswerError(Exception):
    """The model gave no usable answer, twice."""


def open_workflow(claim: Claim) -> UnitOfWork:
    """Begin to look into what a member needs; a day later it ends, whatever became of it."""
    wanted = SolutionNeeded.model_validate(claim.payload)
    solution = Solution.model_validate(claim.context)
    work = UnitOfWork(claim.source, created_by=AGENT_TYPE)
    if solution.member is None:
        raise Malformed("there is no such member")
    workflow_id = work.insert(
        "solution_workflows",
        {
            "user_id": solution.member.id,
            "request_description": wanted.request_description,
            "category": wanted.category,
            "current_step": "research",
            "status": "in_progress",
            "next_action": "research_solution",
            "pending_tasks": ["research_solution"],
        },
    )
    work.schedule(
        "research_solution",
        WorkflowStep(workflow_id=workflow_id),
        agent_type=AGENT_TYPE,
        user_id=solution.member.id,
        priority=wanted.urgency,
        id=derived_id(workflow_id, "research"),
    )
    work.schedule(
        "solution_workflow_timeout",
        WorkflowStep(workflow_id=workflow_id),
        agent_type=AGENT_TYPE,
        user_id=solution.member.id,
        scheduled_for=solution.now + solutions.EXPERTS_FOR,
        id=derived_id(workflow_id, "timeout"),
    )
    return work


def research(claim: Claim, complete: Complete, deadline: float) -> UnitOfWork:
    """Gather what is known, match what innovators offer, and ask the members who may know.

    Raises:
        Malformed: there is no such workflow.
        DecisionFailed: no usable answer; its cause is a ModelError or UnusableAnswerError.
    """
    solution, workflow, work = _read(claim)
    member = solution.member
    if workflow.current_step != "research" or workflow.status != "in_progress" or member is None:
        return work
    offers = {
        innovator.id: offer for innovator in solution.innovators if (offer := _offer(innovator))
    }
    shown = [
        ("need", workflow.request_description),
        ("category", workflow.category or ""),
        *(("offer", f"{n}. {offer}") for n, offer in enumerate(offers.values(), start=1)),
    ]
    found = _ask(RESEARCH, Research, shown, work, complete, deadline, workflow.user_id)
    given = "\n".join(words for _, words in shown)
    findings = [f for f in map(voice.tidy, found.findings) if not _unfit(f, given)]
    fitting = [
        {"innovator_id": innovator_id}
        for n, innovator_id in enumerate(offers, start=1)
        if n in found.fitting_offers
    ]
    asked = _question(found, workflow, member, given)
    insights: JSON = {}
    if asked is not None:
        event_id = work.emit("community.request_needed", asked, aggregate_id=member.id)
        # Where lib/agents/agent_of_humans.py will record the request.
        insights = {"request_id": derived_id(event_id, 1)}
    else:
        # Nobody is waited for where nobody was asked.
        work.schedule(
            "solution_workflow_timeout",
            WorkflowStep(workflow_id=workflow.id),
            agent_type=AGENT_TYPE,
            user_id=member.id,
            id=derived_id(workflow.id, "nobody was asked"),
        )
    _move(
        work,
        workflow,
        solution,
        "experts",
        {
            "perplexity_results": {
                "findings": findings[: solutions.MAX_FINDINGS],
                "source": RESEARCH.model,
            },
            "matched_innovators": fitting,
            "community_insights": insights,
            "next_action": "solution_workflow_timeout",
        },
        f"{len(findings)} findings, {len(fitting)} offers, {len(insights)} questions to members",
    )
    return work


def recommend(claim: Claim, complete: Complete, deadline: float) -> UnitOfWork:
    """Recommend from what was found, offered and answered; the account manager brings it up.

    Also when research has failed for good: the member gets an answer.

    Raises:
        Malformed: there is no such workflow.
        DecisionFailed: the model failed; its cause is a ModelError.
    """
    solution, workflow, work = _read(claim)
    if workflow.current_step not in ("research", "experts") or workflow.status != "in_progress":
        return work
    results = workflow.perplexity_results
    findings = [str(f) for f in results.get("findings", [])] if isinstance(results, dict) else []
    matched = workflow.matched_innovators if isinstance(workflow.matched_innovators, list) else []
    fitting = {str(m.get("innovator_id")) for m in matched if isinstance(m, dict)}
    offers = [
        _offer(innovator) for innovator in solution.innovators if str(innovator.id) in fitting
    ]
    answers = [answer.response_text for answer in solution.answers]
    shown = [
        ("need", workflow.request_description),
        *(("finding", finding) for finding in findings),
        *(("offer", offer) for offer in offers if offer),
        *(("answer", answer) for answer in answers),
    ]
    given = "\n".join(words for _, words in shown)
    relayed = "\n".join(answers)

    def problem(answer: Recommendation) -> str | None:
        return _unfit(voice.tidy(answer.recommendation), given, relayed)

    try:
        answer = _ask(
            RECOMMEND, Recommendation, shown, work, complete, deadline, workflow.user_id, problem
        )
        said = voice.tidy(answer.recommendation)
    except DecisionFailed as failed:
        if not isinstance(failed.__cause__, UnusableAnswerError):
            raise
        fit = [w for w in (*answers, *findings) if not _unfit(w, given, relayed)]
        said = fit[0] if fit else solutions.NOTHING_FOUND
    _move(
        work,
        workflow,
        solution,
        "done",
        {
            "expert_recommendations": {
                "text": said,
                "answers": [answer.id for answer in solution.answers],
            },
            "quality_threshold_met": bool(solution.answers),
            "status": "completed",
            "completed_at": solution.now,
            "next_action": None,
        },
        f"recommended from {len(answers)} answers",
    )
    work.emit(
        "solution.research_complete",
        ResearchComplete(workflow_id=workflow.id),
        aggregate_id=workflow.user_id,
    )
    return work


def _read(claim: Claim) -> tuple[Solution, Workflow, UnitOfWork]:
    wanted = WorkflowStep.model_validate(claim.payload)
    solution = Solution.model_validate(claim.context)
    workflow = solution.workflow
    if workflow is None or workflow.id != wanted.workflow_id:
        raise Malformed("the task names no workflow")
    return solution, workflow, UnitOfWork(claim.source, created_by=AGENT_TYPE, source_type="task")


def _offer(innovator: Offer) -> str | None:
    """What an innovator offers, in words that name nobody."""
    return intros.offer(
        innovator.solution_description, innovator.categories, hidden=innovator.hidden
    )


def _question(
    found: Research, workflow: Workflow, member: Member, given: str
) -> RequestNeeded | None:
    """What members are asked; None when there is nothing that may be put to them."""
    question, about = voice.tidy(found.question), voice.tidy(found.about) or "a recommendation"
    tags = [tag.strip()[:60] for tag in found.expertise if tag.strip()]
    tags = [tag for tag in tags if _may_be_asked(tag, given, member)]
    if (
        len(question) < solutions.MIN_QUESTION_CHARS
        or not tags
        or not all(_may_be_asked(said, given, member) for said in (question, about))
    ):
        return None
    return RequestNeeded(
        question=question,
        category=workflow.category,
        expertise_needed=tags[: solutions.MAX_TAGS],
        desired_outcome="quick_thoughts",
        request_summary=about[:100],
        requesting_agent_type=AGENT_TYPE,
        context_id=workflow.id,
        context_type="solution_workflow",
    )


def _may_be_asked(words: str, given: str, member: Member) -> bool:
    """Whether words may be put to other members: fit, and nothing in them says who asks."""
    return not _unfit(words, given) and not identity.reveals(
        words,
        first_name=member.first_name,
        last_name=member.last_name,
        company=member.company,
        email=member.email,
        linkedin_url=member.linkedin_url,
    )


def _move(
    work: UnitOfWork,
    workflow: Workflow,
    solution: Solution,
    step: solutions.Step,
    values: JSON,
    note: str,
) -> None:
    """Take the workflow to `step`, expecting what the decision read (protocol.md, 9)."""
    following = values["next_action"]
    work.update(
        "solution_workflows",
        workflow.id,
        values
        | {
            "current_step": step,
            "pending_tasks": [following] if following else [],
            "last_decision_at": solution.now,
            "updated_at": solution.now,
        },
        expect={
            "current_step": workflow.current_step,
            "status": workflow.status,
            "last_decision_at": workflow.last_decision_at,
        },
    )
    work.append(
        "solution_workflows",
        workflow.id,
        completed_tasks=[workflow.next_action or str(workflow.current_step)],
        conversation_log=[{"at": solution.now, "step": step, "note": note}],
    )


def _ask(
    job: Job,
    form: type[AnswerT],
    shown: Sequence[tuple[str, str]],
    work: UnitOfWork,
    complete: Complete,
    deadline: float,
    user_id: UUID,
    problem: Callable[[AnswerT], str | None] = lambda _: None,
) -> AnswerT:
    """The model's answer in its form, asked for twice at most; the second time with the reason.

    Raises:
        DecisionFailed: its cause is a ModelError, or UnusableAnswerError.
    """
    content = "\n".join(tagged(tag, words) for tag, words in shown)
    advice = ""
    try:
        for _ in range(2):
            said = job.ask(
                content + advice, work=work, complete=complete, deadline=deadline, user_id=user_id
            )
            try:
                answer = form.model_validate_json(said)
                reason = problem(answer)
            except ValidationError:
                reason = "Answer with the one JSON object alone."
            if reason is None:
                return answer
            advice = f"\n(This is not from the member.) Your answer was not taken. {reason}"
        raise UnusableAnswerError
    except Exception as error:
        raise DecisionFailed(work) from error


def _unfit(words: str, given: str, relayed: str = "") -> str | None:
    """Why a sentence may not reach a member: it names what nobody gave, or breaks the voice.

    `relayed` is the part of what was given that other members said.
    """
    problems = voice.problems(
        [words],
        given=given,
        relayed=relayed,
        instructions=f"{RESEARCH.instructions}\n{RECOMMEND.instructions}",
    )
    return " ".join(problem.advice for problem in problems) or None
