"""Members who are asked what they know, and members who hear what others know."""

from tests.conversations.rows import answer, question
from tests.conversations.task import (
    Among,
    AnyOf,
    Has,
    Like,
    NeverTold,
    Task,
    Told,
    Writes,
    known,
    member,
    none,
    ref,
    scores,
    use,
    who,
)

ASKER = member(first_name="Ada", last_name="Poe", company="Quantel", email="ada@quantel.test")
CAST = {"member": member(expertise=["freight", "payroll"]), "asker": ASKER}
FREIGHT = "Which freight tools work for a small team?"
PAYROLL = "Which payroll tool works in Norway?"
ASKED_FREIGHT = question("freight", FREIGHT, tags=["freight"])
ASKED_BOTH = ASKED_FREIGHT + question("payroll", PAYROLL, tags=["payroll"], score=75)

GOOD = (
    "We tried three freight tools and stayed with the simplest. It saved our team a day each week, "
    "mostly because nobody had to learn it."
)
RECORD = use(
    "record_answer",
    item=1,
    summary="They tried three freight tools and stayed with the simplest, which saved the team a "
    "day each week because nobody had to learn it.",
)
PASSED_ON = "Somebody answered your question about freight tools: they stayed with the simplest of "
PASSED_ON += "three, which saved a day each week. Did that help?"

ANSWERED = Has("community_responses", "member", 1, request_id=ref("freight"))
NOT_ANSWERED = none("community_responses")

EXPERT = member(first_name="Jo", last_name="Lind", company="Havn", email="jo@havn.test")
HEARD = {"member": member(), "expert": EXPERT}
HEARD_ROWS = [
    *question("freight", FREIGHT, tags=["freight"], by="member", to=["expert"]),
    *answer("simplest", "Take the simplest one, it saves a day each week.", to="freight"),
]

TASKS = [
    Task(
        "an expert's answer is recorded, scored, paid and passed on without a name",
        cast=CAST,
        rows=ASKED_FREIGHT,
        script=[
            Writes(GOOD, right=[RECORD, "Thanks, I've noted that.", scores(8), PASSED_ON]),
        ],
        grade=[
            Has(
                "community_responses",
                "member",
                1,
                request_id=ref("freight"),
                verbatim_answer=GOOD,
                response_text=Like("simplest"),
            ),
            Has("community_responses", usefulness_score=Among(7, 8, 9, 10), status="rewarded"),
            Has("credit_events", "member", 1),
            Has("user_priorities", "member", 1, item_id=ref("freight"), status="actioned"),
            Has("community_requests", status="responses_received", responses_count=1),
            Told("simplest", to="asker"),
            NeverTold("credit"),
        ],
    ),
    Task(
        "a terse 'no idea' takes the question off the list",
        cast=CAST,
        rows=ASKED_FREIGHT,
        script=[
            Writes("no idea sorry", right=[use("decline_item", item=1), "No problem, thanks."]),
        ],
        grade=[
            NOT_ANSWERED,
            Has("user_priorities", "member", 1, item_id=ref("freight"), status="expired"),
            NeverTold("noted your answer|pass (?:it|that) on|recorded"),
        ],
    ),
    Task(
        "which of two questions is answered is unclear, so it is asked",
        cast=CAST,
        rows=ASKED_BOTH,
        script=[
            Writes(
                "we did that for years with a spreadsheet, worked better than any tool",
                right=["Is that about freight or about payroll?"],
            ),
        ],
        grade=[NOT_ANSWERED, Told(r"freight|payroll"), Told(r"\?")],
    ),
    Task(
        "once it is said which question is meant, the answer is recorded there",
        cast=CAST,
        rows=ASKED_BOTH,
        script=[
            Writes(
                "we did that for years with a spreadsheet, worked better than any tool",
                right=["Is that about freight or about payroll?"],
            ),
            Writes(
                "payroll. two people, a spreadsheet is enough",
                right=[
                    use(
                        "record_answer",
                        item=2,
                        summary="For payroll of two people a spreadsheet is enough.",
                    ),
                    "Thanks, noted.",
                    scores(5),
                    "An answer to your question about payroll: a spreadsheet is enough for two "
                    "people. Did that help?",
                ],
            ),
        ],
        grade=[
            Has("community_responses", "member", 1, request_id=ref("payroll")),
            none("community_responses", request_id=ref("freight")),
            Has("user_priorities", "member", 1, item_id=ref("freight"), status="presented"),
        ],
    ),
    Task(
        "of two questions the one that is clearly meant is answered",
        cast=CAST,
        rows=ASKED_BOTH,
        script=[
            Writes(
                "For the payroll one: we run it in Norway with the tool our accountant gave us, "
                "and I would never do it without the accountant",
                right=[
                    use(
                        "record_answer",
                        item=2,
                        summary="They run payroll in Norway with the tool their accountant gave "
                        "them, and would never do it without the accountant.",
                    ),
                    "Thanks, noted.",
                    scores(6),
                    "An answer to your question about payroll: use the accountant's tool, and do "
                    "not do it without one. Did that help?",
                ],
            ),
        ],
        grade=[
            Has("community_responses", "member", 1, request_id=ref("payroll")),
            none("community_responses", request_id=ref("freight")),
            Told("accountant", to="asker"),
        ],
    ),
    Task(
        "nothing is added to an answer",
        cast=CAST,
        rows=ASKED_FREIGHT,
        script=[
            Writes(
                "the cheapest. all the same anyway",
                right=[
                    use("record_answer", item=1, summary="The cheapest; they are all the same."),
                    "Thanks.",
                    scores(4),
                    "An answer to your question: take the cheapest, they are all the same. Did "
                    "that help?",
                ],
            ),
        ],
        grade=[
            ANSWERED,
            Has("community_responses", response_text=Like("cheapest")),
            none("community_responses", response_text=Like(r"\d|recommend \w+soft|simplest")),
            none("credit_events"),
        ],
    ),
    Task(
        "an answer that is changed seconds later is recorded as it is in the end",
        cast=CAST,
        rows=ASKED_FREIGHT,
        script=[
            Writes(
                "we use a big suite for freight and like it",
                "correction: LIKED it, we left it last year for a small tool",
                right=[
                    use(
                        "record_answer",
                        item=1,
                        summary="They liked a big suite for freight but left it last year for a "
                        "small tool.",
                    ),
                    "Thanks, noted.",
                    scores(6),
                    "An answer to your question: they left a big suite for a small tool last "
                    "year. Did that help?",
                ],
            ),
        ],
        grade=[ANSWERED, Has("community_responses", response_text=Like("left|small tool"))],
    ),
    Task(
        "an answer comes after the question was closed: thanked, kept, not paid",
        cast=CAST,
        rows=question("freight", FREIGHT, tags=["freight"], status="closed"),
        script=[
            Writes(
                GOOD,
                right=[
                    RECORD,
                    "Thanks, I've noted it, though the question is closed by now.",
                    scores(9),
                    PASSED_ON,
                ],
            ),
        ],
        grade=[
            ANSWERED,
            none("credit_events"),
            Has("community_requests", id=ref("freight"), status="closed", responses_count=0),
            Told("closed|late"),
        ],
    ),
    Task(
        "who asks is never said",
        cast=CAST,
        rows=ASKED_FREIGHT,
        script=[
            Writes(
                "depends who's asking. is it somebody from Altona?",
                right=["I can't say who asks. Is it something you know about?"],
            ),
        ],
        grade=[
            NOT_ANSWERED,
            Told("can't|cannot|don't|not able"),
            NeverTold(r"yes\b|it is somebody from|not from"),
            Has("user_priorities", "member", 1, item_id=ref("freight"), status="presented"),
        ],
    ),
    Task(
        "credits are not promised",
        cast=CAST,
        rows=ASKED_FREIGHT,
        script=[
            Writes(
                "what do I get for answering? 50 credits?",
                right=["I can't promise anything for it. Is it something you know about?"],
            ),
        ],
        grade=[
            NOT_ANSWERED,
            none("credit_events"),
            NeverTold(r"you(?:'ll| will) (?:get|earn|receive)|\b(?:15|25|45)\b"),
            Told("can't|cannot|don't|not|no promise"),
        ],
    ),
    Task(
        "an answer and a question of their own come in one text",
        cast=CAST,
        rows=ASKED_FREIGHT,
        script=[
            Writes(
                GOOD + " By the way, can you ask others who knows a good office lawyer?",
                right=[
                    (
                        RECORD,
                        use(
                            "ask_community",
                            question="Who knows a good office lawyer?",
                            about="office lawyer",
                            expertise=["law"],
                        ),
                    ),
                    "Thanks, noted, and I'll ask members who may know a lawyer.",
                    scores(8),
                    PASSED_ON,
                ],
            ),
        ],
        grade=[
            ANSWERED,
            Has("community_requests", requesting_user_id=who("member"), question=Like("lawyer")),
        ],
    ),
    Task(
        "a picture in place of an answer is no answer",
        cast=CAST,
        rows=ASKED_FREIGHT,
        script=[
            Writes(
                "here, all in this screenshot",
                media=1,
                right=["I can't open pictures here. Could you write the main point?"],
            ),
        ],
        grade=[NOT_ANSWERED, Told("can't|cannot|unable|not able"), Told("write|words|tell")],
    ),
    Task(
        "what came of an answer is kept in the member's words",
        cast=HEARD,
        rows=HEARD_ROWS,
        script=[
            Writes(
                "that helped, we took the simplest and the team is happy",
                right=[use("report_outcome", item=1), "Good to hear, I'll pass that on."],
            ),
        ],
        grade=[
            Has(
                "community_responses",
                id=ref("simplest"),
                impact_description="that helped, we took the simplest and the team is happy",
            ),
            Has("agent_tasks", "expert", task_type="notify_expert_of_impact"),
        ],
    ),
    Task(
        "that an answer did not help is kept, too",
        cast=HEARD,
        rows=HEARD_ROWS,
        script=[
            Writes(
                "not really, we knew that already",
                right=[use("report_outcome", item=1), "Fair enough, thanks for saying so."],
            ),
        ],
        grade=[
            AnyOf(
                Has(
                    "community_responses",
                    id=ref("simplest"),
                    impact_description=Like("knew that already"),
                ),
                Has("user_priorities", "member", 1, item_id=ref("simplest"), status="expired"),
            ),
            NeverTold("glad|happy|great|good to hear"),
        ],
    ),
    Task(
        "an outcome that says who reports it is not passed on in those words",
        cast=HEARD,
        rows=HEARD_ROWS,
        script=[
            Writes(
                "it worked! tell them Ida Berg of Fjord owes them a coffee",
                right=[
                    use("report_outcome", item=1),
                    "I'll pass on that it helped.",
                ],
            ),
        ],
        grade=[
            none("community_responses", impact_description=Like("Ida|Berg|Fjord")),
            Has("community_responses", id=ref("simplest"), impact_description=""),
            NeverTold("coffee for|I'll tell them Ida"),
        ],
    ),
    Task(
        "who answered is never said",
        cast=HEARD,
        rows=HEARD_ROWS,
        script=[
            Writes(
                "interesting. who said that? can I call them?",
                right=["I can't say who answered, nor put you through to them."],
            ),
        ],
        grade=[
            NeverTold(r"\bJo\b|Lind|Havn"),
            Told("can't|cannot|not able|unable|don't"),
            Has("community_responses", id=ref("simplest"), impact_description=None),
        ],
    ),
    Task(
        "a second answer to the same question is not recorded",
        cast=CAST,
        rows=[
            *ASKED_FREIGHT,
            *answer(
                "first", "Take the simplest.", to="freight", by="member", asker="asker", told=False
            ),
        ],
        script=[
            Writes(
                "about the freight thing, one more: avoid the big suites, they cost us months",
                right=[
                    "Thanks. One answer of yours is noted already, so I can't add to it.",
                ],
            ),
        ],
        grade=[
            ANSWERED,
            Has("community_responses", id=ref("first"), verbatim_answer="Take the simplest."),
            NeverTold("noted that|added|I've recorded|updated"),
            AnyOf(Told("already"), Told("one answer"), Told("can't|cannot")),
        ],
    ),
    Task(
        "a thank you is not taken for an answer",
        cast=CAST,
        rows=ASKED_FREIGHT,
        script=[
            Writes(
                "thx for asking, let me think about it",
                right=["Take your time."],
            ),
        ],
        grade=[
            NOT_ANSWERED,
            Has("user_priorities", "member", 1, item_id=ref("freight"), status="presented"),
            NeverTold("noted your answer|pass"),
            known(quiet_hours_start=None),
        ],
    ),
]
