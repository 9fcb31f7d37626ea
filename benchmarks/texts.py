"""How long a text takes through the system, and how often it asks the database.

From the signed POST to `twilio_webhook` until `POST …/Messages.json` has arrived at the Twilio
simulator, on a stack of its own: real functions, real HTTP, real PostgreSQL; the Claude simulator
answers at once, so this is the system's own share. Round trips are the calls of SQL functions as
PostgreSQL counts them (pg_stat_user_functions).
"""

import contextlib
import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
from twilio.request_validator import RequestValidator

from tests.support.stack import StackUnderTest

#: The SQL functions that other code calls over the network while a text is answered.
REMOTE_CALLS = (
    "record_inbound",
    "claim_event",
    "commit_work",
    "claim_texts",
    "record_sends",
    "record_delivery",
    "fail_event",
    "log_calls",
    "sweep_events",
    "claim_stuck_sends",
    "settle_send",
    "missing_messages",
)
#: Those that lie before the text is handed over, or at once behind it.
ON_THE_WAY = ("record_inbound", "claim_event", "commit_work", "claim_texts", "record_sends")

MEMBERS = 25
TEXTS_EACH = 8
AT_ONCE = 8
ANSWER_WITHIN_S = 30.0


class Arrivals:
    """Notes when a text for a number arrives at the simulator, by listening to its stream."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._came = threading.Condition()
        self._times: dict[str, list[float]] = {}
        self.ready = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def wait(self, number: str, count: int) -> float:
        """When the `count`-th text for `number` came; time.perf_counter() seconds."""
        with self._came:
            if not self._came.wait_for(
                lambda: len(self._times.get(number, [])) >= count, ANSWER_WITHIN_S
            ):
                raise TimeoutError(f"no answer within {ANSWER_WITHIN_S:g} s")
            return self._times[number][count - 1]

    def _listen(self) -> None:
        # It ends when the stack does; an answer that never came shows in `wait`.
        with contextlib.suppress(httpx.TransportError):
            self._follow()

    def _follow(self) -> None:
        seen: set[str] = set()
        with httpx.stream("GET", f"{self._base_url}/_sim/stream", timeout=600) as stream:
            self.ready.set()
            for line in stream.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line.removeprefix("data:"))
                if message["direction"] != "outbound" or message["sid"] in seen:
                    continue
                now = time.perf_counter()
                seen.add(message["sid"])
                with self._came:
                    self._times.setdefault(message["to"], []).append(now)
                    self._came.notify_all()


def measure(stack: StackUnderTest) -> None:
    """Print latencies of texts one after another and several at once, and round trips per text."""
    description = stack.description
    twilio = description["twilio"]
    webhook = description["functions"]["twilio_webhook"]
    validator = RequestValidator(twilio["auth_token"])
    arrivals = Arrivals(twilio["url"])
    arrivals.ready.wait(10)
    client = httpx.Client(timeout=30, limits=httpx.Limits(max_connections=AT_ONCE))

    def post(number: str, body: str) -> float:
        form = {
            "MessageSid": f"SM{uuid4().hex}",
            "AccountSid": twilio["account_sid"],
            "From": number,
            "To": twilio["number"],
            "Body": body,
            "NumMedia": "0",
        }
        headers = {"X-Twilio-Signature": validator.compute_signature(webhook, form)}
        client.post(webhook, data=form, headers=headers).raise_for_status()
        return time.perf_counter()

    def exchange(number: str, nth: int) -> tuple[float, float]:
        started = time.perf_counter()
        acknowledged = post(number, f"Text number {nth}, what is this about?")
        return acknowledged - started, arrivals.wait(number, nth) - started

    def member(number: str) -> list[tuple[float, float]]:
        return [exchange(number, nth) for nth in range(1, 1 + TEXTS_EACH)]

    with stack.connect() as connection:
        connection.execute("alter system set track_functions = 'pl'")
        connection.execute("select pg_reload_conf()")
    exchange("+12125559998", 1)  # the first text of all: imports and connections
    time.sleep(2)
    before = _calls(stack)
    one_by_one = [t for n in range(MEMBERS) for t in member(f"+1212555{n:04d}")]
    time.sleep(2)
    after = _calls(stack)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        numbers = [f"+1646555{n:04d}" for n in range(MEMBERS)]
        together = [t for times in pool.map(member, numbers) for t in times]

    print(
        "\nFrom signed POST to the Twilio simulator's Messages.json (Claude simulator, no delay)\n"
    )
    print(f"  {'':<34}{'texts':>6}{'median ms':>11}{'p95 ms':>8}{'max ms':>8}")
    _row("one text at a time", [t for _, t in one_by_one])
    _row(f"{AT_ONCE} members at once", [t for _, t in together])
    _row("  of which webhook's answer (one)", [t for t, _ in one_by_one])
    texts = len(one_by_one)
    counts = {name: after[name] - before[name] for name in REMOTE_CALLS}
    until_sent = sum(counts[name] for name in ON_THE_WAY) / texts
    receipts = counts["record_delivery"] / texts
    print(
        f"\n  database round trips per text: {until_sent:.2f} to answer it,"
        f" and {receipts:.2f} for its delivery receipts"
    )
    print("  " + ", ".join(f"{name} {counts[name] / texts:.2f}" for name in counts if counts[name]))


def _calls(stack: StackUnderTest) -> dict[str, int]:
    with stack.connect() as connection:
        connection.execute("select pg_stat_clear_snapshot()")
        rows = connection.execute("select funcname, calls::int from pg_stat_user_functions")
        counts = {row["funcname"]: row["calls"] for row in rows}
    return {name: counts.get(name, 0) for name in REMOTE_CALLS}


def _row(name: str, seconds: list[float]) -> None:
    ordered = sorted(s * 1000 for s in seconds)
    median, p95 = statistics.median(ordered), ordered[int(len(ordered) * 0.95)]
    print(f"  {name:<34}{len(ordered):>6}{median:>11.0f}{p95:>8.0f}{ordered[-1]:>8.0f}")
