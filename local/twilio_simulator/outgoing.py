"""What happens to an accepted message: queued → sent → delivered, each with its callback; or
queued → failed, when it was held back for longer than it is valid."""

import asyncio
import math

from local.simulation.clock import Clock
from local.twilio_simulator.control import Control
from local.twilio_simulator.store import Message, Store
from local.twilio_simulator.webhooks import Background, Webhooks
from local.twilio_simulator.wire import API_VERSION, error_message

#: The error of a text that waited longer than its ValidityPeriod.
_EXPIRED = 30036
#: How often a text that is held looks whether it may go on, seconds.
_LOOK_S = 0.02


class Outgoing:
    """Moves messages along and tells the back end about it."""

    def __init__(
        self,
        account_sid: str,
        delivery_s: float,
        clock: Clock,
        store: Store,
        control: Control,
        webhooks: Webhooks,
        background: Background,
    ) -> None:
        """`delivery_s`: seconds from acceptance to delivery."""
        self._account_sid, self._delivery_s, self._clock = account_sid, delivery_s, clock
        self._store, self._control = store, control
        self._webhooks, self._background = webhooks, background

    def start(self, message: Message) -> None:
        """Take over a message that was just accepted, or that a restart found under way."""
        self._background.start(self._deliver(message))

    async def _deliver(self, message: Message) -> None:
        status, error_code = self._control.take_ending()
        in_order = asyncio.Lock()
        if message.status in ("accepted", "queued"):
            self._call_back(in_order, message, "queued", None)
            await asyncio.sleep(self._delivery_s / 4)
            # Only one that waits can expire: a test's jump of the clock is no wait in the queue.
            while self._control.hold:
                if self._clock.now() >= (message.valid_until or math.inf):
                    self._move(in_order, message, "failed", _EXPIRED)
                    return
                await asyncio.sleep(_LOOK_S)
            if status != "failed":
                self._move(in_order, message, "sent", None)
        await asyncio.sleep(self._delivery_s * 3 / 4)
        self._move(in_order, message, status, error_code)

    def _move(
        self, in_order: asyncio.Lock, message: Message, status: str, error_code: int | None
    ) -> None:
        # The message may be gone: a test wiped the state while it was under way.
        if self._store.get(message.sid) is not None:
            self._store.move(message.sid, status, self._clock.now(), error_code)
            self._call_back(in_order, message, status, error_code)

    def _call_back(
        self, in_order: asyncio.Lock, message: Message, status: str, error_code: int | None
    ) -> None:
        if message.status_callback is None:
            return
        form = {
            "AccountSid": self._account_sid,
            "ApiVersion": API_VERSION,
            "From": message.from_number,
            "MessageSid": message.sid,
            "MessageStatus": status,
            "SmsSid": message.sid,
            "SmsStatus": status,
            "To": message.to_number,
        }
        if message.messaging_service_sid is not None:
            form["MessagingServiceSid"] = message.messaging_service_sid
        if error_code is not None:
            form["ErrorCode"] = str(error_code)
            form["ErrorMessage"] = error_message(error_code) or ""
        if self._control.callbacks.held_back():
            # Outside the order, and late enough for the next one to overtake it.
            in_order, held_s = asyncio.Lock(), 1.5 * self._delivery_s
        else:
            held_s = 0.0
        for _ in range(self._control.callbacks.copies()):
            self._background.start(self._post(in_order, message, form, held_s))

    async def _post(
        self, in_order: asyncio.Lock, message: Message, form: dict[str, str], held_s: float
    ) -> None:
        await asyncio.sleep(held_s)
        # The lock lets its waiters in as they came: one message's callbacks keep their order.
        async with in_order:
            await self._webhooks.post(message.status_callback or "", form, message.sid)
