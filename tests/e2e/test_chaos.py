"""Everything fails at once, briefly (tests/chaos; `make chaos` does it at length)."""

from dataclasses import replace

from tests.chaos.faults import ROUGH
from tests.chaos.run import run
from tests.support.stack import running_stack

#: Few conversations meet few faults, so each is more frequent; and nothing hangs for long here.
_SHORT = replace(
    ROUGH,
    claude={kind: 2 * rate for kind, rate in ROUGH.claude.items()},
    claude_hangs_s=1.0,
    twilio={kind: 2 * rate for kind, rate in ROUGH.twilio.items()},
    twilio_hangs_s=1.0,
)


def test_whatever_dies_fails_or_repeats_itself_nothing_is_lost_or_doubled() -> None:
    with running_stack() as stack:
        report = run(stack, 16, 4, over_s=3.0, weather=_SHORT, lingers=False)
    print("\n".join(report.lines()))
    assert report.problems == {}
    kinds = {what.partition(":")[0] for what in report.injected}
    assert {"kill", "database", "claude", "twilio", "receipt", "webhooks repeated"} <= kinds
