"""Orchestrators, processors and the members themselves at once, against the model in plain Python.

Whatever they were told and whatever remains must be what some order of their calls, one after the
other, would have given (tests/support/discipline.py). Members do not touch each other's texts, so
each member's calls are put in an order of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from random import Random
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.sql.test_gate_model import (
    EXPLORED,
    PHONES,
    History,
    a_beginning,
    an_order,
    as_decided,
    as_recorded,
)
from tests.support.claims import settle
from tests.support.discipline import Discipline, Member, Text
from tests.support.rpc import Rpc
from tests.support.sessions import Sessions


def some_steps(draw: Random) -> list[tuple[str, int, str]]:
    """What one of them does, one after the other: claim for everybody or for one member and say
    what became of it, or write."""
    return [
        (
            draw.choice(["everybody", "one", "one", "STOP", "START", "hello"]),
            draw.randrange(len(PHONES)),
            draw.choice(["accepted", "accepted", "released", ""]),
        )
        for _ in range(draw.randint(1, 3))
    ]


@dataclass
class Done:
    """One call of somebody, about one member, and what it was told."""

    what: str
    member: UUID
    now: datetime
    token: UUID
    text: UUID | None = None
    told: Any = None


@dataclass
class Actor:
    """Somebody with a session of their own, who notes what they are told."""

    rpc: Rpc
    members: list[Member]
    done: list[Done]

    def act(self, steps: list[tuple[str, int, str]]) -> None:
        for what, number, outcome in steps:
            member = self.members[number]
            if what in ("everybody", "one"):
                self.claim(None if what == "everybody" else member, outcome)
            else:
                keyword = None if what == "hello" else what.lower()
                reply = {"keyword": keyword, "word": what, "reply": "words"} if keyword else {}
                reply_id = uuid4()
                told = self.rpc.text(member.number, what, reply_id=str(reply_id), **reply)
                self.note(what, member.id, reply_id, reply_id, told["outcome"])

    def claim(self, member: Member | None, outcome: str) -> None:
        token = uuid4()
        user = member.id if member else None
        told = self.rpc.call("claim_texts", token=token, user_id=user)
        sent = {UUID(send["user_id"]): UUID(send["id"]) for send in told["sends"]}
        for one in [member] if member else self.members:
            self.note("one" if member else "everybody", one.id, token, sent.get(one.id))
        for user, text in sent.items():
            if outcome:
                told = settle(self.rpc, token, text, user, outcome, code="429")
                self.note(outcome, user, token, text, told["settled"])

    def note(
        self, what: str, member: UUID, token: UUID, text: UUID | None, told: Any = None
    ) -> None:
        self.done.append(Done(what, member, self.rpc.now, token, text, told))


def after(world: Discipline, done: Done) -> Iterator[Discipline]:
    """The worlds that this call may have left, had it been alone: none if it was told otherwise."""
    if done.what == "everybody" and done.text is None:
        yield world  # somebody else had the member, or there was nothing due
    world = deepcopy(world)
    (member,) = world.members
    text = next((t for t in world.texts if t.id == done.text), None)
    told = None
    if done.what in ("everybody", "one"):
        sends = world.claim(done.token, done.now, member)
        told = done.told if [t.id for t in sends] == [done.text] * (done.text is not None) else "?"
    elif done.what in ("accepted", "released"):
        assert text is not None
        told = int(text.status == "queued" and text.in_flight)
        if done.what == "accepted":
            world.accepted(text, done.now)
        else:
            world.released(text, done.token, "429", done.now)
    else:
        world.inbound(member, done.now, stop=done.what == "STOP")
        told = keyword(world, member, done)
    if told == done.told:
        yield world


def keyword(world: Discipline, member: Member, done: Done) -> str:
    """What the member is told who texts this."""
    if done.what == "hello" or member.opted_out is (done.what == "STOP"):
        return "silent" if member.opted_out else "recorded"
    if done.what == "STOP":
        world.opt_out(member)
    else:
        world.opt_in(member)
    world.texts.append(
        Text(
            done.token, member, due=done.now, created=done.now, kind="system", priority="high",
            confirmation=True,
        )
    )  # fmt: skip
    return "opted_out" if done.what == "STOP" else "opted_in"


def explained(
    world: Discipline, actors: list[list[Done]], is_so: Callable[[Discipline], bool]
) -> bool:
    """Is there an order of what all of them did that ends in a world that is so?"""
    if not any(actors):
        return is_so(world)
    return any(
        explained(left, [*actors[:nth], actor[1:], *actors[nth + 1 :]], is_so)
        for nth, actor in enumerate(actors)
        if actor
        for left in after(world, actor[0])
    )


@pytest.mark.timeout(3600 if EXPLORED else 120)
@settings(
    deadline=None,
    max_examples=1000 if EXPLORED else 80,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(number=st.integers(0, 2**64))
def test_what_several_do_at_once_is_what_some_order_of_it_would_have_given(
    sessions: Sessions, number: int
) -> None:
    draw = Random(number)
    steps = [some_steps(draw) for _ in range(draw.choice([3, 4]))]
    for table in ("message_queue", "messages", "events", "conversations", "user_message_budget"):
        sessions.run_as_owner(f"delete from {table}")  # noqa: S608
    sessions.run_as_owner("delete from users")
    rpcs = [sessions.idle(nth) for nth in range(len(steps))]
    history = History(rpcs[0])
    history.begin(**a_beginning(draw))
    for nth in range(draw.randint(3, 6)):
        history.queue(nth % 2, [an_order(draw)])
    for rpc in rpcs:
        rpc.now = history.now
    world, together = history.world, Barrier(len(steps))
    actors = [Actor(rpc, world.members, []) for rpc in rpcs]

    def run(actor: Actor, todo: list[tuple[str, int, str]]) -> None:
        together.wait()
        actor.act(todo)

    with ThreadPoolExecutor(len(steps)) as pool:
        for ended in [pool.submit(run, *both) for both in zip(actors, steps, strict=True)]:
            ended.result()

    rows = rpcs[0].rows("select * from message_queue")
    budgets = rpcs[0].rows("select user_id, date, messages_sent from user_message_budget")
    for member in world.members:
        found = {r["id"]: as_recorded(r) for r in rows if r["user_id"] == member.id}
        charged = {b["date"]: b["messages_sent"] for b in budgets if b["user_id"] == member.id}

        def is_so(end: Discipline, found: Any = found, charged: Any = charged) -> bool:
            spent = {day: budget.sent for day, budget in end.members[0].budgets.items()}
            so: bool = {t.id: as_decided(t) for t in end.texts} == found and spent == charged
            return so

        alone = deepcopy(Discipline([member], world.of(member)))
        theirs = [[done for done in actor.done if done.member == member.id] for actor in actors]
        assert explained(alone, theirs, is_so), (theirs, found)
