"""Looking into what a member needs: from research over experts to a recommendation (behaviour.md,
journey B).

>>> "".join(step[0] for step in STEPS)
'red'
"""

from datetime import timedelta
from typing import Literal

Step = Literal["research", "experts", "done"]

#: `solution_workflows.current_step`, in their order.
STEPS: tuple[Step, ...] = ("research", "experts", "done")
#: behaviour.md, "Tasks": solution_workflow_timeout. So long experts may answer.
EXPERTS_FOR = timedelta(hours=24)
#: Needs of one member that are looked into at a time.
MAX_OPEN = 3
#: An expert's answer of this usefulness (0-10) is worth recommending from.
USEFUL_FROM = 7
MAX_RECOMMENDATION_CHARS = 500
MAX_FINDINGS = 4


def is_good(scores: list[int | None]) -> bool:
    """Whether a recommendation rests on at least one useful answer: `quality_threshold_met`."""
    return any(score is not None and score >= USEFUL_FROM for score in scores)


def plain_recommendation(findings: list[str], answers: list[str]) -> str:
    """What is recommended when the model's words are not fit: the best of what was gathered.

    >>> plain_recommendation(["Compare what it costs to leave."], [])
    'Compare what it costs to leave.'
    """
    for words in (*answers, *findings):
        line = " ".join(words.split())
        if line:
            return line[:MAX_RECOMMENDATION_CHARS]
    return "I found nothing that I could stand behind."
