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
#: What an expert's answer must score (0-10) to be recommended from; see solution_context.sql, too.
USEFUL_FROM = 7
MAX_FINDINGS = 4
MIN_QUESTION_CHARS = 10
MAX_TAGS = 5

#: What is recommended when nothing that was gathered is fit to be said.
NOTHING_FOUND = "I found nothing on that which I could stand behind."
