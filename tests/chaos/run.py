"""A run: waves of conversations in a storm, and after each calm until nothing is left to do."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from tests.chaos.checks import FOR_LATER, all_problems
from tests.chaos.drive import Drive, Echo
from tests.chaos.evidence import Evidence, gather
from tests.chaos.faults import ROUGH, Storm, Weather
from tests.chaos.plan import Plan, make
from tests.chaos.world import World
from tests.support.stack import StackUnderTest

#: Conversations of one wave. A text can be hit by a crash only while its wave's storm lasts, which
#: is shorter than five leases: none becomes a dead letter by bad luck.
WAVE = 100
#: In the middle of a storm the clock jumps past every lease of a turn, but not as far as the two
#: minutes after which a text in flight is looked up: the call to Twilio is bounded in real time.
_JUMP_S = 95.0
#: Twilio is called within 5 s of the claim, and 10 s may pass until it answers.
_CALL_ENDS_S = 16.0
#: Texts and events of a wave that are delivered once more when all is over.
_REPEATED = 30
#: Steps of the clock while calm: leases, backoff and reconciliation first, then the closure's hour.
_STEPS_S = (61.0,) * 10 + (301.0,) * 8 + (1801.0,) * 60

_WAITING = """
    select
        (select count(*) from events where processed is not true) as events,
        (select count(*) from agent_tasks
            where status = 'processing' or status = 'pending' and task_type <> all(%s)) as tasks,
        (select count(*) from message_queue where status = 'queued') as texts,
        (select count(*) from community_requests where status <> 'closed') as requests
"""
_DUE = """
    select
        (select count(*) from events
            where processed is not true
            and coalesce((metadata ->> 'retry_at')::timestamptz <= %(now)s, true)
            and coalesce((metadata #>> '{lease,until}')::timestamptz <= %(now)s, true))
        + (select count(*) from agent_tasks
            where status = 'pending' and scheduled_for <= %(now)s)
        + (select count(*) from message_queue
            where status = 'queued' and delivered_message_id is null and scheduled_for <= %(now)s)
        as due
"""


@dataclass
class Report:
    """What was done, injected and found. `problems`: what is wrong, by check."""

    seed: int
    began: float = field(default_factory=time.monotonic)
    done: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    problems: dict[str, list[str]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """For people."""
        taken_s = time.monotonic() - self.began
        lines = [f"seed {self.seed}, {taken_s / 60:.1f} min", "", "driven"]
        lines += [f"  {number:8,}  {what}" for what, number in self.done.items()]
        lines += ["", "injected"]
        lines += [f"  {number:8,}  {what}" for what, number in sorted(self.injected.items())]
        lines += ["", "found"]
        for check, problems in self.problems.items():
            lines += [f"  {check.replace('_', ' ')}: NOT SO", *(f"    {p}" for p in problems[:10])]
            lines += [f"    and {len(problems) - 10} more"] if len(problems) > 10 else []
        return lines if self.problems else [*lines, "  nothing lost, nothing doubled"]


def run(
    stack: StackUnderTest,
    conversations: int,
    seed: int,
    *,
    over_s: float = 30.0,
    weather: Weather = ROUGH,
    lingers: bool = True,
    say: Callable[[str], None] = print,
) -> Report:
    """Drive so many conversations through this stack, wave after wave; stops at the first problem.

    `over_s`: within how many seconds the conversations of a wave begin. `lingers`: let days pass
    after each wave although nothing waits, so that agents write of their own accord, too.
    """
    report = Report(seed)
    world = World(stack)
    drive = Drive(world)
    so_far = Plan(seed, (), (), ())
    try:
        while (first := len(so_far.conversations)) < conversations and not report.problems:
            wave = make(seed, min(WAVE, conversations - first), first=first, over_s=over_s)
            so_far = replace(
                so_far,
                conversations=so_far.conversations + wave.conversations,
                requests=so_far.requests + wave.requests,
                poison=so_far.poison + wave.poison,
            )
            said = len(drive.sent)
            storm_s = _storm(world, drive, wave, over_s, weather, report)
            began = time.monotonic()
            steps = _calm(world, lingers)
            drive.repeat(
                Random(seed).sample(drive.sent[said:], min(_REPEATED, len(drive.sent) - said))
            )
            _repeat_events(world, drive)
            steps += _calm(world, lingers)
            evidence = gather(world, so_far, drive.sent)
            report.problems = all_problems(evidence)
            _count(report, evidence)
            say(
                f"{len(so_far.conversations)} conversations: storm {storm_s:.0f} s, calm"
                f" {time.monotonic() - began:.0f} s ({steps} steps of the clock),"
                f" {sum(report.injected.values())} faults so far"
            )
    finally:
        drive.close()
    report.injected.update(drive.counts)
    return report


def _storm(
    world: World, drive: Drive, wave: Plan, over_s: float, weather: Weather, report: Report
) -> float:
    began = time.monotonic()
    storm = Storm(world, weather, Random(f"{wave.seed}:{len(drive.sent)}").getrandbits(32))

    def halfway() -> None:
        storm.turn()
        world.advance(_JUMP_S)

    try:
        echo = Echo(world, drive, wave.seed, over_s / 3)
        try:
            drive.run(wave, halfway)
        finally:
            echo.close()
        drive.finish()
    finally:
        storm.close()
    report.injected.update(storm.counts)
    report.injected["clock jumped past every lease of a turn"] += 1
    return time.monotonic() - began


def _calm(world: World, lingers: bool) -> int:
    """Let time pass until nothing waits; how many steps it took. The checks see what is left."""
    # An operator's change; what is late should not have to wait for the morning as well.
    world.rows("update users set quiet_hours_start = '03:00', quiet_hours_end = '03:00'")
    _let_calls_end(world)
    for taken, step_s in enumerate(_STEPS_S):
        _let_work_end(world)
        waiting = world.rows(_WAITING, list(FOR_LATER))[0]
        if not lingers and not any(waiting.values()):
            return taken
        only_requests = not any(waiting[what] for what in ("events", "tasks", "texts"))
        world.advance(max(step_s, 1801.0) if only_requests else step_s)
    return len(_STEPS_S)


def _let_calls_end(world: World) -> None:
    """Until no call to Twilio can be under way that nobody has recorded the end of."""
    deadline = time.monotonic() + _CALL_ENDS_S
    while time.monotonic() < deadline and world.rows(
        "select id from message_queue where status = 'queued' and delivered_message_id is not null"
        " and message_data #>> '{send,error}' is null limit 1"
    ):
        time.sleep(0.5)


def _let_work_end(world: World) -> None:
    """Until nothing is due, or what is due waits for something else."""
    before, since = -1, time.monotonic()
    while time.monotonic() < since + 1.5:
        with world.stack.connect() as connection:
            due = connection.execute(_DUE, {"now": world.now()}).fetchall()[0]["due"]
        if due == 0:
            return
        if due != before:
            before, since = due, time.monotonic()
        time.sleep(0.1)


def _repeat_events(world: World, drive: Drive) -> None:
    """Push some events again that were done long ago."""
    for event in world.rows(
        "select id::text from events order by created_at desc limit %s", _REPEATED
    ):
        drive.push_again(0.0, event["id"])
    drive.repeat([])


def _count(report: Report, evidence: Evidence) -> None:
    report.done = Counter(
        {
            "conversations": len(evidence.plan.conversations),
            "texts": len(evidence.sent),
            "events": len(evidence.events),
            "tasks": len(evidence.tasks),
            "answers to requests": len(evidence.responses),
            "texts sent": len(evidence.at_twilio),
            "movements of credits": len(evidence.ledger),
            "turns that were decided": len(
                {
                    e["metadata"]["done"]["token"]
                    for e in evidence.events
                    if e["event_type"] == "user.message.received" and "done" in e["metadata"]
                }
            ),
            "turns that were claimed more than once": sum(
                e["metadata"].get("attempt", 0) > 1
                for e in evidence.events
                if isinstance(e["metadata"], dict)
            ),
        }
    )
