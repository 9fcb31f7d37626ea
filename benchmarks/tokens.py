"""Calls of the model and tokens for each turn of the journeys, with and without the prompt cache.

The journeys run over the deployed claim, decide and commit as tests/conversations does; the model's
words are scripted, so the numbers are the same on every machine. A token is taken to be four
characters, and a call costs the published price of the day. *Alone*: nobody else writes, so that
the cache has forgotten what is older than five minutes; *busy*: others' turns keep every prefix in
it.
"""

from typing import Literal, get_args

from lib.adapters.claude import ClaudeModel
from lib.core.model import JSON, ModelCall, ModelReply
from lib.core.prices import price_of
from tests.conversations.policies import MessagesApi, Oracle
from tests.conversations.run import Result, a_place, run
from tests.conversations.task import (
    BEGIN,
    Has,
    Mails,
    Passes,
    Step,
    Task,
    Told,
    Writes,
    known,
    member,
    scores,
    use,
)
from tests.conversations.tasks.silence import OPEN_WANT
from tests.conversations.world import Place
from tests.support.database import Servers

Cache = Literal["none", "alone", "busy"]

QUESTION = "Which freight and customs tools work for a team of four?"
ANSWER = (
    "We tried three freight tools at our last company, and I switched us to the simplest one, "
    "because it saved our team a day each week"
)
SUMMARY = (
    "They tried three freight tools and switched to the simplest, which saved a day each week."
)

ONBOARDING: list[Step] = [
    Writes("hi, what is this?", right=[
        "Professionals text this number to ask for what they need and help each other. Who told "
        "you about Yachtparty?"
    ]),
    Writes("nobody, found you online", right=[
        use("collect_user_info", referrer_name="none"), "What is your first and last name?"
    ]),
    Writes("Ida Berg", right=[
        use("collect_user_info", first_name="Ida", last_name="Berg"),
        "Where do you work, and what do you do there?",
    ]),
    Writes("I'm the CTO of Fjord", right=[
        use("collect_user_info", company="Fjord", title="CTO"), "What is your work e-mail address?"
    ]),
    Writes("ida@fjord.test", right=[
        use("collect_user_info", email="ida@fjord.test"),
        use("send_verification_email"),
        "One thing is left, showing that the address is yours.",
    ]),
    Mails("ida@fjord.test"),
    Writes("I know freight and customs well", right=[
        use("collect_user_info", expertise=["freight", "customs"]), "Thanks, noted."
    ]),
]  # fmt: skip

COMMUNITY: list[Step] = [
    Writes(QUESTION + " Ask the others please", right=[
        use("ask_community", question=QUESTION, about="freight and customs tools",
            expertise=["freight", "customs"]),
        "I'll ask members who may know. I can't say whether anybody answers.",
    ]),
    Passes(days=1, right=[
        "A member wonders which freight and customs tools work for a team of four. Do you know?"
    ]),
    Writes(ANSWER, by="expert", right=[
        use("record_answer", item=1, summary=SUMMARY), "Thanks, noted.", scores(8),
        "An answer about freight tools: they switched to the simplest of three, which saved a day "
        "each week. Did that help?",
    ]),
    Writes("that helped, we took the simplest and saved a lot of time", right=[
        use("report_outcome", item=1), "Good to hear, I'll pass that on."
    ]),
    Passes(days=3, right=[
        'About your answer on freight tools, they say "we took the simplest and saved a lot of '
        'time".'
    ]),
]  # fmt: skip

PRIORITIES: list[Step] = [
    Writes(QUESTION + " Ask the others please", by="asker", right=[
        use("ask_community", question=QUESTION, about="freight and customs tools",
            expertise=["freight", "customs"]),
        "I'll ask members who may know. I can't say whether anybody answers.",
    ]),
    Passes(days=1, right=[
        "A member wonders which freight and customs tools work for a team of four. Do you know?"
    ]),
    Passes(days=5, right=["That question about freight and customs tools is open; do you know?"]),
    Writes("no idea sorry", right=[use("decline_item", item=1), "No problem."]),
]  # fmt: skip

RE_ENGAGEMENT: list[Step] = [
    Writes("ok will do", right=["Good."]),
    Passes(days=40, right=[
        "Is the brief for the planner written by now?",
        "Should I keep the freight planner in mind?",
        "Shall we drop the planner?",
    ]),
]  # fmt: skip

JOURNEYS = (
    Task(
        "onboarding",
        script=ONBOARDING,
        grade=[
            known(first_name="Ida", last_name="Berg", company="Fjord", title="CTO"),
            known(email="ida@fjord.test", email_verified=True, expertise=["freight", "customs"]),
        ],
    ),
    Task(
        "community",
        cast={
            "member": member(),
            "expert": member(first_name="Jo", company="Havn", expertise=["freight", "customs"]),
        },
        script=COMMUNITY,
        grade=[Has("credit_events", "expert"), Told("saved a lot of time", to="expert")],
    ),
    Task(
        "priorities",
        cast={
            "member": member(expertise=["freight", "customs"]),
            "asker": member(first_name="Ada", company="Quantel"),
        },
        script=PRIORITIES,
        grade=[Has("user_priorities", "member", status="expired")],
    ),
    Task(
        "re-engagement",
        cast={"member": member(*OPEN_WANT)},
        script=RE_ENGAGEMENT,
        grade=[Told("planner")],
    ),
)


def measure() -> None:
    """Print a line for each journey.

    Raises:
        RuntimeError: a journey did not go as scripted, so its numbers would be wrong.
    """
    print(
        "\nCalls of the model and tokens (of four characters) per turn; US dollars per journey\n\n"
        f"  {'journey':<15}{'turns':>6}{'calls/turn':>12}{'input':>8}{'of it static':>14}"
        f"{'output':>8}{'no cache':>12}{'alone':>10}{'busy':>10}"
    )
    servers = Servers()
    try:
        with a_place(servers) as place, MessagesApi() as api:
            for journey in JOURNEYS:
                _print(journey.name, _run(journey, place, api), place)
    finally:
        servers.stop()


def _run(journey: Task, place: Place, api: MessagesApi) -> Result:
    claude = ClaudeModel("a-key", api.url)

    def complete(request: JSON, timeout_s: float) -> ModelReply:
        api.now = place.rpc.now.timestamp()
        return claude.complete(request, timeout_s)

    api.policy = oracle = Oracle()
    api.cache.clear()
    result = run(journey, place, complete, oracle)
    if result.problems:
        raise RuntimeError("\n".join([*result.problems, *result.transcript]))
    return result


def _charged(call: ModelCall, cache: Cache) -> dict[str, int]:
    """A call's tokens as they are paid for."""
    static = call.cache_read_tokens + call.cache_write_tokens
    rest = call.input_tokens - static
    read, written = {
        "none": (0, 0),
        "alone": (call.cache_read_tokens, call.cache_write_tokens),
        "busy": (static, 0),
    }[cache]
    return {
        "uncached_tokens": rest + static - read - written,
        "output_tokens": call.output_tokens,
        "cache_read": read,
        "cache_write": written,
    }


def _print(name: str, result: Result, place: Place) -> None:
    found = place.owner.execute("select count(distinct context_id) as n from agent_actions_log")
    turns = found.fetchall()[0]["n"]
    calls = result.calls
    given = sum(call.input_tokens for call in calls)
    static = sum(call.cache_read_tokens + call.cache_write_tokens for call in calls)
    said = sum(call.output_tokens for call in calls)
    day = BEGIN.date()
    caches: tuple[Cache, ...] = get_args(Cache)
    costs = [
        sum(price_of(c.model, day).cost_usd(**_charged(c, cache)) for c in calls)
        for cache in caches
    ]
    print(
        f"  {name:<15}{turns:>6}{len(calls) / turns:>12.2f}{given / turns:>8.0f}"
        f"{static / given:>14.0%}{said / turns:>8.0f}"
        f"{costs[0]:>12.5f}{costs[1]:>10.5f}{costs[2]:>10.5f}",
        flush=True,
    )
