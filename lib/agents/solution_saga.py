"""The solution saga: speaks to nobody. It drives what a member needs from research over the members
who know to a recommendation (behaviour.md, "Agents" and journey B).

`solution_workflows.current_step` is where a workflow is; every change of it expects the step and
the last decision that were read, so that two decisions cannot both take it further.
"""

import json
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lib.agents.background import Job, tagged
from lib.core.ids import derived_id
from lib.core.model import JSON, Complete
from lib.domain import names, solutions, voice
from lib.domain.onboarding import OwnWords
from lib.engine.documents import Solution, Workflow
from lib.engine.registry import RequestNeeded, ResearchComplete, SolutionNeeded, WorkflowStep
from lib.engine.step import Claim, Malformed
from lib.engine.work import DecisionFailed, UnitOfWork

AGENT_TYPE = "solution_saga"

_Words = Annotated[str, Field(min_length=3, max_length=300)]
_Tag = Annotated[str, Field(min_length=2, max_length=60)]


class Research(BaseModel):
    """The model's answer to solution_research."""

    model_config = ConfigDict(extra="forbid")

    findings: list[_Words]
    question: str
    about: str
    expertise: list[_Tag]
    fitting_offers: list[int]


class Recommendation(BaseModel):
    """The model's answer to solution_recommendation."""

    model_config = ConfigDict(extra="forbid")

    recommendation: str


AnswerT = TypeVar("AnswerT", bound=BaseModel)


def _schema(answer: type[BaseModel]) -> str:
    """The JSON schema of an answer, without bounds, which structured outputs do not know."""
    unknown = ("minLength", "maxLength")

    def plain(part: object) -> object:
        if isinstance(part, dict):
            return {key: plain(value) for key, value in part.items() if key not in unknown}
        return [plain(item) for item in part] if isinstance(part, list) else part

    return json.dumps(plain(answer.model_json_schema()))


RESEARCH = Job("solution_research", AGENT_TYPE, schema=_schema(Research))
RECOMMEND = Job("solution_recommendation", AGENT_TYPE, schema=_schema(Recommendation))


class UnusableAnswerError(Exception):
    """The model gave no answer of the wanted form, twice."""


def open_workflow(claim: Claim) -> UnitOfWork:
    """Begin to look into what a member needs."""
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
    content = "\n".join(
        [
            tagged("need", workflow.request_description),
            tagged("category", workflow.category or ""),
            *(
                tagged("offer", f"{n}. {innovator.solution_description}")
                for n, innovator in enumerate(solution.innovators, start=1)
            ),
        ]
    )
    found = _answer(RESEARCH, Research, content, work, complete, deadline, solution)
    findings = [f for f in found.findings if not _unfit(f, content)][: solutions.MAX_FINDINGS]
    own = OwnWords([found.question, found.about])
    marks = (member.first_name, member.last_name, member.company, member.email)
    asks = bool(
        len(found.question.strip()) >= 10
        and found.expertise
        and not names.unknown(found.question, given=content)
        and not any(mark and own.contain(mark) for mark in marks)
    )
    fitting = [
        {"innovator_id": innovator.id}
        for n, innovator in enumerate(solution.innovators, start=1)
        if n in found.fitting_offers
    ]
    insights: JSON = {}
    if asks:
        event_id = work.emit(
            "community.request_needed",
            RequestNeeded(
                question=found.question.strip()[:500],
                category=workflow.category,
                expertise_needed=found.expertise[:5],
                desired_outcome="quick_thoughts",
                request_summary=(found.about.strip() or "a recommendation")[:100],
                requesting_agent_type=AGENT_TYPE,
                context_id=workflow.id,
                context_type="solution_workflow",
            ),
            aggregate_id=member.id,
        )
        # Where lib/agents/agent_of_humans.py will record the request.
        insights = {"request_id": derived_id(event_id, 1)}
    _move(
        work,
        workflow,
        solution,
        "experts",
        {
            "perplexity_results": {"findings": findings, "source": RESEARCH.model},
            "matched_innovators": fitting,
            "community_insights": insights,
            "next_action": "solution_workflow_timeout",
        },
        f"{len(findings)} findings, {len(fitting)} offers, {int(asks)} questions to members",
    )
    work.schedule(
        "solution_workflow_timeout",
        WorkflowStep(workflow_id=workflow.id),
        agent_type=AGENT_TYPE,
        user_id=member.id,
        # Nobody is waited for where nobody was asked.
        scheduled_for=solution.now + solutions.EXPERTS_FOR if asks else None,
        id=derived_id(workflow.id, "timeout"),
    )
    return work


def recommend(claim: Claim, complete: Complete, deadline: float) -> UnitOfWork:
    """Recommend from what was found, offered and answered; the account manager brings it up.

    Raises:
        Malformed: there is no such workflow.
        DecisionFailed: no usable answer; its cause is a ModelError or UnusableAnswerError.
    """
    solution, workflow, work = _read(claim)
    if workflow.current_step != "experts" or workflow.status != "in_progress":
        return work
    results = workflow.perplexity_results
    findings = [str(f) for f in results.get("findings", [])] if isinstance(results, dict) else []
    matched = workflow.matched_innovators if isinstance(workflow.matched_innovators, list) else []
    fitting = {str(m.get("innovator_id")) for m in matched if isinstance(m, dict)}
    offers = [i for i in solution.innovators if str(i.id) in fitting]
    answers = [answer.response_text for answer in solution.answers]
    content = "\n".join(
        [
            tagged("need", workflow.request_description),
            *(tagged("finding", finding) for finding in findings),
            *(tagged("offer", offer.solution_description or "") for offer in offers),
            *(tagged("answer", answer) for answer in answers),
        ]
    )
    said = ""
    for _ in range(2):
        answer = _answer(RECOMMEND, Recommendation, content, work, complete, deadline, solution)
        said = " ".join(answer.recommendation.split())
        if said and not _unfit(said, content):
            break
    else:
        said = solutions.plain_recommendation(findings, answers)
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
            "quality_threshold_met": solutions.is_good(
                [answer.usefulness_score for answer in solution.answers]
            ),
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


def _move(
    work: UnitOfWork,
    workflow: Workflow,
    solution: Solution,
    step: solutions.Step,
    values: JSON,
    note: str,
) -> None:
    """Take the workflow to `step`, expecting what the decision read (protocol.md, 9)."""
    task = workflow.next_action or str(workflow.current_step)
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
        completed_tasks=[task],
        conversation_log=[{"at": solution.now, "step": step, "note": note}],
    )


def _answer(
    job: Job,
    form: type[AnswerT],
    content: str,
    work: UnitOfWork,
    complete: Complete,
    deadline: float,
    solution: Solution,
) -> AnswerT:
    """The model's answer in its form, asked for twice at most.

    Raises:
        DecisionFailed: its cause is a ModelError or UnusableAnswerError.
    """
    member = solution.member
    try:
        for _ in range(2):
            said = job.ask(
                content,
                work=work,
                complete=complete,
                deadline=deadline,
                user_id=member.id if member else None,
            )
            try:
                return form.model_validate_json(said)
            except ValidationError:
                continue
        raise UnusableAnswerError
    except Exception as error:
        raise DecisionFailed(work) from error


def _unfit(words: str, given: str) -> bool:
    """Whether a sentence may not reach a member: it names what nobody gave, or breaks the voice."""
    return len(words) > solutions.MAX_RECOMMENDATION_CHARS or bool(
        voice.problems([words], given=given, instructions=RECOMMEND.instructions, secret_words=())
    )
