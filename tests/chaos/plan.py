"""What happens in a run: who texts what, who asks and answers, what is poison. All from one seed.

>>> make(7, 20) == make(7, 20)
True
>>> make(7, 20) == make(8, 20)
False
"""

from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

#: The conversations of one group, by their places in it: one member asks, three experts answer, two
#: have much to say, one opts out and perhaps comes back, and the others chat.
_GROUP = (
    "asker",
    "expert",
    "expert",
    "expert",
    "long",
    "long",
    "opting",
    "plain",
    "plain",
    "plain",
)
_EXPERTS = [place for place, kind in enumerate(_GROUP) if kind == "expert"]
_REQUESTS = 2
#: Conversations that there are numbers for: +1 212 555 1000 to 8999.
MOST = 8_000

_FIRST = (
    "Hi, I'm Ada Quillfeather and I run procurement",
    "hello there, somebody gave me this number",
    "Hey, Noor Quillfeather here, what is this about",
    "Good morning, I was told to text you",
)
_LATER = (
    "I'm CTO at Quillfeather Freight",
    "VP Sales, Quillfeather Foods",
    "you can write to me at ada@quillfeather.test",
    "nobody sent me, I found it myself",
    "We need a freight forwarder for the Rotterdam lane",
    "It should not take longer than a month or two",
    "sorry, that was meant for someone else",
    "does that make sense to you?",
    "I forgot to say that we are mostly in Europe",
    "my colleague handled this before she moved on",
)
#: With the score that the Claude simulator gives, see checks.answers_are_scored_and_paid_once.
_ANSWERS = (
    "We used two vendors at our last company and switched after we saved a third of the cost",
    "I worked with three of them and our team built the fourth one itself in about a year",
    "We tried one and it was fine",
    "No idea, sorry",
)
#: Everything the phones say, for the check that none of it is logged.
WORDS = (*_FIRST, *_LATER, *_ANSWERS)

_POISON_EVENTS: tuple[tuple[str, Any], ...] = (
    ("nobody.knows_this", {}),
    ("user.message.received", {"message_id": 7}),
    ("user.message.received", []),
    ("user.opted_out", {"keyword": "STOP", "unknown": True}),
    ("message.delivery_updated", {"sid": None}),
    ("community.closure_due", {"scheduled_at": "soon"}),
    ("message.send.requested", {"user_id": "nobody"}),
)
_POISON_TASKS: tuple[tuple[str, Any], ...] = (
    ("make_coffee", {}),
    ("process_community_response", {}),
    ("process_community_response", {"response_id": "x", "request_id": "y"}),
    ("create_conversation_summary", {"more": "keys"}),
)


@dataclass(frozen=True)
class Text:
    """One text. `again_s`: when its webhook is delivered again, seconds after the first time.

    `through_twilio`: recorded by the simulator, which calls the webhook, or loses the call.
    """

    sid: str
    body: str
    again_s: tuple[float, ...] = ()
    media: bool = False
    through_twilio: bool = False


@dataclass(frozen=True)
class Step:
    """Texts sent at the same moment, in this order; then a pause, or a wait for an answer."""

    texts: tuple[Text, ...]
    pause_s: float
    waits: bool = False


@dataclass(frozen=True)
class Conversation:
    """One phone. `verified` members exist before their first text.

    `grows_after`: the step after which the conversation counts as grown long.
    """

    number: str
    kind: str
    steps: tuple[Step, ...]
    begins_s: float
    grows_after: int | None = None

    @property
    def verified(self) -> bool:
        """Whether an operator has let the member in already."""
        return self.kind in ("asker", "expert")


@dataclass(frozen=True)
class Answer:
    """An expert's answer. `has_task`: whoever records it schedules its scoring, too; else the
    closure finds it."""

    id: UUID
    number: str
    words: str
    at_s: float
    has_task: bool


@dataclass(frozen=True)
class Request:
    """A community request, asked at the beginning. One that not every expert answers expires."""

    id: UUID
    number: str
    experts: tuple[str, ...]
    answers: tuple[Answer, ...]
    expires_s: float


@dataclass(frozen=True)
class Poison:
    """A row nobody can ever handle: in `events`, or in `agent_tasks`. `number`: whose, if any's."""

    id: UUID
    table: str
    type: str
    payload: Any
    number: str | None
    at_s: float


@dataclass(frozen=True)
class Plan:
    """What one wave holds, or all waves so far."""

    seed: int
    conversations: tuple[Conversation, ...]
    requests: tuple[Request, ...]
    poison: tuple[Poison, ...]


def make(seed: int, conversations: int, *, first: int = 0, over_s: float = 10.0) -> Plan:
    """The plan of a wave whose conversations begin within `over_s` seconds; what comes again may
    come as late.

    `first`: how many conversations earlier waves had; numbers go on from there.
    """
    chance = Random(f"{seed}:{first}")
    talks, requests, poison = [], [], []
    for n in range(first, first + conversations):
        place = n % len(_GROUP)
        talks.append(_conversation(chance, n, _GROUP[place], over_s))
        if place == _EXPERTS[-1]:
            requests += [_request(chance, n - place, over_s) for _ in range(_REQUESTS)]
        if chance.random() < 0.3:
            poison.append(_poison(chance, _number(n), over_s))
    return Plan(seed, tuple(talks), tuple(requests), tuple(poison))


def _number(n: int) -> str:
    return f"+1212555{1000 + n}"


def _uuid(chance: Random) -> UUID:
    return UUID(int=chance.getrandbits(128), version=4)


def _text(chance: Random, body: str, over_s: float, *, spread: bool, media: bool = False) -> Text:
    """`spread`: may go any way, by Twilio too."""
    again = tuple(
        round(chance.choice([0.0, chance.uniform(0, 0.5), chance.uniform(0.5, over_s)]), 3)
        for _ in range(chance.choice([0, 1, 1, 2]))
    )
    return Text(
        sid=f"SM{chance.getrandbits(128):032x}",
        body=body,
        again_s=again,
        media=media,
        through_twilio=spread and not media and chance.random() < 0.25,
    )


def _conversation(chance: Random, n: int, kind: str, over_s: float) -> Conversation:
    begins_s = chance.uniform(0, over_s)
    if kind == "opting":
        return Conversation(_number(n), kind, _opting(chance, over_s), begins_s)
    # To grow, a conversation must be there: its first text goes the sure way.
    first = _text(chance, chance.choice(_FIRST), over_s, spread=kind != "long")
    steps = [Step((first,), 0.2, waits=True)]
    for _ in range(chance.choice([1, 2, 2, 3])):
        burst = chance.choice([1, 1, 1, 2, 3])
        steps.append(
            Step(
                tuple(
                    _text(
                        chance,
                        chance.choice(_LATER),
                        over_s,
                        spread=True,
                        media=chance.random() < 0.1,
                    )
                    for _ in range(burst)
                ),
                pause_s=chance.uniform(0, 1.5),
                waits=chance.random() < 0.6,
            )
        )
    if chance.random() < 0.3:  # two people with one idea: the first texts come at once
        steps[0] = Step(
            (*steps[0].texts, _text(chance, _LATER[7], over_s, spread=False)), 0.5, waits=True
        )
    return Conversation(
        _number(n),
        kind,
        tuple(steps),
        begins_s,
        grows_after=0 if kind == "long" else None,
    )


def _opting(chance: Random, over_s: float) -> tuple[Step, ...]:
    """Some words, STOP, words into the silence, and for most of them START and words again."""

    def one(body: str, pause_s: float, *, waits: bool = False) -> Step:
        return Step((_text(chance, body, over_s, spread=False),), pause_s, waits)

    steps = [
        one(chance.choice(_FIRST), chance.uniform(0, 1), waits=chance.random() < 0.5),
        one(chance.choice(["STOP", "stop", " Unsubscribe "]), chance.uniform(0, 1)),
        one(chance.choice(_LATER), chance.uniform(0, 1)),
    ]
    if chance.random() < 0.7:
        steps += [one("START", chance.uniform(0, 1)), one(chance.choice(_LATER), 0.2, waits=True)]
    return tuple(steps)


def _request(chance: Random, asker: int, over_s: float) -> Request:
    experts = tuple(_number(asker + place) for place in _EXPERTS)
    answering = experts if chance.random() < 0.6 else experts[: chance.choice([0, 1, 2])]
    answers = tuple(
        Answer(
            _uuid(chance),
            number,
            chance.choice(_ANSWERS),
            at_s=chance.uniform(0, over_s),
            has_task=chance.random() < 0.5,
        )
        for number in answering
    )
    return Request(_uuid(chance), _number(asker), experts, answers, expires_s=3000.0)


def _poison(chance: Random, number: str, over_s: float) -> Poison:
    table = chance.choice(["events", "events", "agent_tasks"])
    type_, payload = chance.choice(_POISON_EVENTS if table == "events" else _POISON_TASKS)
    return Poison(
        _uuid(chance),
        table,
        type_,
        payload,
        number if chance.random() < 0.7 else None,
        at_s=chance.uniform(0, over_s),
    )
