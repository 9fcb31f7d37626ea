"""Functions for the tests of logs and spans, run by functions-framework as deployed ones are."""

import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import NoReturn

from flask import Request, Response

from lib.adapters import claude, supabase
from lib.adapters.twilio_sms import Sms, Texts, TwilioUnavailable
from lib.core import clock, log, trace
from lib.core.model import ModelRejected, ModelUnavailable
from lib.core.prices import CONVERSATION_MODEL
from lib.core.settings import TwilioAccountSettings, TwilioSenderSettings, load

log.setup()
_log = log.get("tests")

#: The three tasks of a call do run at the same time.
_TOGETHER = Barrier(3)
USER = "00000000-0000-0000-0000-000000000001"


@trace.function
@trace.step(_log, "work", event_id="event-1")
def works(_request: Request) -> Response:
    """A step, a call of the database, and three tasks in threads, each with a call of its own."""
    trace.say(user=log.user_hash(USER), outcome="done", counts={"applied": 2})
    with trace.call("database claim"):
        trace.count_round_trip()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(log.carried(_task), range(3)))
    return Response("done")


def _task(number: int) -> None:
    with trace.step(_log, "task", task_id=f"task-{number}"):
        _TOGETHER.wait(10)
        _log.info("within", extra={"number": number})
        with trace.call("twilio send"):
            trace.count_round_trip()


@trace.function
@trace.step(_log, "work")
def raises(_request: Request) -> Response:
    """An error that quotes what must not be logged, from within a span, with a cause that does."""
    with trace.span("decide"):
        _quote()
    return Response("never")


def bare(_request: Request) -> Response:
    """The same without any of our care for it."""
    _quote()
    return Response("never")


@trace.function
def careless(_request: Request) -> Response:
    """What others write to stderr: a warning, and the last words of a thread."""
    warnings.warn(os.environ["WORDS"], stacklevel=1)
    thread = threading.Thread(target=_quote)
    thread.start()
    thread.join()
    return Response("done")


@trace.function
def adapters(_request: Request) -> Response:
    """Each adapter calls a service that answers with what must not be logged."""
    database = supabase.connect()
    sms = Sms(load(TwilioSenderSettings))
    texts = Texts(load(TwilioAccountSettings))
    words = os.environ["WORDS"]
    with trace.step(_log, "database refuses") as step:
        try:
            database.call("claim_event", event_id=words)
        except supabase.DatabaseError as error:
            step.fail(error)
    with trace.step(_log, "twilio refuses") as step:
        step.say(outcome=type(sms.send("id", "+12125550147", words, 60)).__name__)
    with trace.step(_log, "twilio lists nothing") as step:
        try:
            texts.received(clock.now())
        except TwilioUnavailable as error:
            step.fail(error)
    with trace.step(_log, "claude refuses") as step:
        try:
            claude.connect().complete(
                {
                    "model": CONVERSATION_MODEL,
                    "max_tokens": 9,
                    "messages": [{"role": "user", "content": words}],
                },
                5.0,
            )
        except (ModelRejected, ModelUnavailable) as error:
            step.fail(error)
    return Response("done")


def _quote() -> NoReturn:
    words = os.environ["WORDS"]
    try:
        raise KeyError(words)
    except KeyError as cause:
        raise ValueError(f"not a number: {words}") from cause
