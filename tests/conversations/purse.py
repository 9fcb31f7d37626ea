"""What an evaluation may spend, around the model that it asks."""

import threading
from dataclasses import dataclass, field

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from lib.core.model import JSON, Complete, ModelRejected, ModelReply, ModelUnavailable

#: Tries of one call when the service is busy: its trouble is not the model's answer.
TRIES = 6


@dataclass
class Purse:
    """What may be spent, in US dollars. Safe to share between threads."""

    cap_usd: float
    complete: Complete
    spent_usd: float = 0.0
    #: The service does not take our requests: nothing more is asked.
    refused: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_closed(self) -> bool:
        """Whether nothing more may be asked."""
        return self.refused is not None or self.spent_usd >= self.cap_usd

    def ask(self, request: JSON, timeout_s: float) -> ModelReply:
        """Ask the model, if there is money left.

        Raises:
            ModelUnavailable: the cap is reached, or the service is in trouble for long.
            ModelRejected: the service refuses the request.
        """
        if self.is_closed:
            raise ModelUnavailable("the spend cap of the evaluation is reached")
        tries = Retrying(
            retry=retry_if_exception_type(ModelUnavailable),
            stop=stop_after_attempt(TRIES),
            wait=wait_random_exponential(multiplier=1, max=30),
            reraise=True,
        )
        try:
            reply: ModelReply = tries(self.complete, request, timeout_s)
        except ModelRejected as error:
            self.refused = str(error)
            raise
        with self._lock:
            self.spent_usd += reply.call.cost_usd
        return reply
