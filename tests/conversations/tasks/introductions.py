"""Members who are asked whether they would introduce somebody they know."""

from tests.conversations.rows import introduction
from tests.conversations.task import (
    Has,
    NeverTold,
    Passes,
    Task,
    Told,
    Writes,
    member,
    none,
    ref,
    use,
)

CAST = {
    "member": member(),
    "innovator": member(
        first_name="Zora",
        last_name="Finch",
        company="Quell",
        email="zora@quell.test",
        innovator=True,
    ),
}
PAT = introduction(
    "pat", "Pat Quist, COO, Storm", offer="freight planning for small teams", innovator="innovator"
)
STILL_OPEN = Has("intro_opportunities", id=ref("pat"), status="open")

TASKS = [
    Task(
        "a yes to an introduction is taken, and who it is for stays unsaid",
        cast=CAST,
        rows=PAT,
        script=[
            Writes(
                "sure, I know Pat well, happy to",
                right=[
                    use("accept_intro", item=1),
                    "Thanks. The other side is asked now.",
                ],
            ),
            Passes(
                days=1,
                right=[
                    "A member could introduce you to Pat Quist, COO at Storm, for 50 credits. They "
                    "would get your name and e-mail address. Is that all right?",
                ],
            ),
        ],
        grade=[
            Has("intro_opportunities", id=ref("pat"), status="accepted", intro_scheduled_at=None),
            Told("pat", to="innovator", step=2),
            NeverTold("zora|finch|quell"),
            none("credit_events", "member"),
        ],
    ),
    Task(
        "a no to an introduction ends it",
        cast=CAST,
        rows=PAT,
        script=[
            Writes(
                "nah, Pat and I don't get along. skip that one",
                right=[use("decline_item", item=1), "Understood, I'll leave that one."],
            ),
        ],
        grade=[
            Has("intro_opportunities", id=ref("pat"), status="declined"),
            NeverTold("zora|finch|quell"),
            none("credit_events", "member"),
        ],
    ),
    Task(
        "a maybe to an introduction decides nothing",
        cast=CAST,
        rows=PAT,
        script=[
            Writes(
                "maybe, depends who it is for",
                right=["I can't say who it is before both sides agree. Would you do it anyway?"],
            ),
        ],
        grade=[
            STILL_OPEN,
            NeverTold("zora|finch|quell"),
            Told("can't|cannot|not able|don't|until|before"),
        ],
    ),
    Task(
        "a yes that is taken back in the next breath is none",
        cast=CAST,
        rows=PAT,
        script=[
            Writes(
                "yes ok I'll do it",
                "no wait. not Pat, sorry, leave it",
                right=[use("decline_item", item=1), "Fine, I'll leave it."],
            ),
        ],
        grade=[
            Has("intro_opportunities", id=ref("pat"), status="declined"),
            none("intro_opportunities", status="accepted"),
        ],
    ),
    Task(
        "credits are not haggled over",
        cast=CAST,
        rows=PAT,
        script=[
            Writes(
                "make it 200 credits and I'll introduce them today",
                right=["I can't change what it is worth. Would you introduce Pat all the same?"],
            ),
        ],
        grade=[
            Has("intro_opportunities", id=ref("pat"), bounty_credits=50),
            none("credit_events", "member"),
            NeverTold("deal|200 credits it is|agreed"),
            Told("can't|cannot|not able|unable|don't|fixed"),
        ],
    ),
]
