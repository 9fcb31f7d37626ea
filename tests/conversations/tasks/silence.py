"""Members who say nothing for long, and texts that waited too long to be right."""

from tests.conversations.rows import queued
from tests.conversations.task import (
    Has,
    Job,
    Like,
    NeverTold,
    Passes,
    Task,
    Texts,
    Told,
    Writes,
    member,
    ref,
)

OPEN_WANT = (
    "member: I want to hire a freight planner until March, but the brief is not written yet",
    "agent: Tell me when the brief is ready, then I can ask members who may know someone.",
)
LONG = [
    "member: I look for a freight planner in Oslo, from May on",
    "agent: Understood, in Oslo from May on.",
    "member: wait, Bergen. not Oslo",
    "agent: Bergen, then.",
    *["member: still writing the brief", "agent: Take your time."] * 24,
]
WAITS = "Hi Ida, did you find a freight planner, or should I ask others?"


def verdict(kind: str, *texts: str, reason: str = "") -> Job:
    """A right model's judgement of a text that waits."""
    said = ", ".join(f'"{text}"' for text in texts)
    return Job(
        "text_judgement", f'{{"verdict": "{kind}", "texts": [{said}], "reason": "{reason}"}}'
    )


TASKS = [
    Task(
        "a week of silence after an open wish is broken once, about the wish",
        cast={"member": member(*OPEN_WANT)},
        script=[
            Writes("ok will do", right=["Good."]),
            Passes(
                days=8,
                right=["Is the brief for the freight planner written by now?"],
            ),
        ],
        grade=[Texts(1, 1, step=2), Told("brief|planner|freight", step=2)],
    ),
    Task(
        "a week of silence with nothing open is left alone",
        cast={"member": member("member: all good, thanks", "agent: You're welcome.")},
        script=[
            Writes("bye", right=["Bye."]),
            Passes(days=8, right=["(silence)"]),
        ],
        grade=[Texts(0, 0, step=2), Told("bye|take care|welcome|any ?time", step=1)],
    ),
    Task(
        "after three texts without an answer we stop",
        cast={"member": member(*OPEN_WANT)},
        script=[
            Writes("ok will do", right=["Good."]),
            Passes(
                days=60,
                right=[
                    "Is the brief for the planner written by now?",
                    "Should I keep the freight planner in mind?",
                    "Shall we drop the planner?",
                ],
            ),
        ],
        grade=[Texts(1, 3, step=2), Told("planner|brief", step=2)],
    ),
    Task(
        "a text that waited is dropped when the member has settled it",
        cast={"member": member(*OPEN_WANT)},
        rows=[queued("planner", WAITS)],
        script=[
            Writes("found a planner through my brother, all settled", right=["Good."]),
            Passes(hours=2, right=[verdict("supersede", reason="settled")]),
        ],
        grade=[
            Has("message_queue", id=ref("planner"), status="superseded"),
            Texts(0, 0, step=2),
        ],
    ),
    Task(
        "a text that waited is dropped when the member does not want it",
        cast={"member": member(*OPEN_WANT)},
        rows=[queued("planner", WAITS)],
        script=[
            Writes(
                "stop asking about that planner please, it's annoying",
                right=["Understood, I'll leave the planner alone."],
            ),
            Passes(hours=2, right=[verdict("supersede", reason="unwanted")]),
        ],
        grade=[
            Has("message_queue", id=ref("planner"), status="superseded"),
            Texts(0, 0, step=2),
        ],
    ),
    Task(
        "a text that waited and still fits is sent, without a greeting in mid-conversation",
        cast={"member": member(*OPEN_WANT)},
        rows=[queued("planner", WAITS)],
        script=[
            Writes("are you a bot?", right=["Yes, I'm Yachtparty's AI assistant."]),
            Passes(
                hours=2,
                right=[verdict("rewrite", "Did you find a planner, or should I ask others?")],
            ),
        ],
        grade=[
            Has("message_queue", id=ref("planner"), status="sent"),
            Told("planner", step=2),
            NeverTold("^hi ida"),
            Texts(1, 1, step=2),
        ],
    ),
    Task(
        "a text that nobody has written yet and nothing explains is not sent",
        cast={"member": member("member: all good, thanks", "agent: You're welcome.")},
        rows=[queued("nothing", None)],
        script=[
            Writes("yes all good", right=["Fine."]),
            Passes(hours=2, right=[verdict("supersede", reason="out_of_place")]),
        ],
        grade=[
            Has("message_queue", id=ref("nothing"), status="superseded"),
            Texts(0, 0, step=2),
        ],
    ),
    Task(
        "a long conversation is summed up with the last correction, and goes on",
        cast={"member": member(*LONG)},
        script=[
            Writes(
                "ok, back later",
                right=[
                    "Good.",
                    Job(
                        "conversation_summary",
                        "The member looks for a freight planner in Bergen, not Oslo, from May on. "
                        "The brief is still to come.",
                    ),
                ],
            ),
            Writes("which city did I say again?", right=["Bergen."]),
        ],
        grade=[
            Has("conversations", "member", 1, conversation_summary=Like("bergen")),
            Has("conversations", "member", 1, conversation_summary=Like("planner|freight")),
            Told("bergen", step=2),
        ],
    ),
]
