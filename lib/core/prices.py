"""What is paid for: the models' tokens and the texts' segments, in tables of dated rows.

Published prices in US dollars. A new price is a new row; old rows stay, so that what was spent on a
day can be computed again. An unknown model is an error before anything is asked of it, never a cost
of zero. A text's cost is an estimate: what Twilio and the carriers charge is known days later.
"""

from dataclasses import dataclass
from datetime import date

#: Writes what members read.
CONVERSATION_MODEL = "claude-sonnet-5-5"
#: Scores, ranks and summarises in the background.
BACKGROUND_MODEL = "claude-haiku-5-5"

_MILLION = 1_000_000


class UnknownModelError(ValueError):
    """A model without a row in `PRICES`: a mistake in the configuration, not a free model."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a model's tokens cost from `valid_from` on, in US dollars per million tokens."""

    model: str
    valid_from: date
    input: float
    output: float
    cache_read: float

    @property
    def cache_write(self) -> float:
        """Writing to the five-minute cache costs a quarter more than plain input."""
        return 1.25 * self.input

    def cost_usd(
        self, *, uncached_tokens: int, output_tokens: int, cache_read: int, cache_write: int
    ) -> float:
        """What one call cost, in US dollars; the four counts do not overlap."""
        dollars = (
            uncached_tokens * self.input
            + output_tokens * self.output
            + cache_read * self.cache_read
            + cache_write * self.cache_write
        ) / _MILLION
        return round(dollars, 9)  # a token's price is a multiple of this; floats are not


PRICES = (
    Price("claude-sonnet-5-5", date(2026, 11, 1), input=2.00, output=10.00, cache_read=0.10),
    Price("claude-haiku-5-5", date(2026, 11, 1), input=0.10, output=0.50, cache_read=0.01),
)


def price_of(model: str, day: date) -> Price:
    """The newest price of `model` in force on `day` (its first one for days before that).

    Raises:
        UnknownModelError: when the table has no row for the model.
    """
    rows = sorted((p for p in PRICES if p.model == model), key=lambda p: p.valid_from)
    if not rows:
        known = ", ".join(sorted({p.model for p in PRICES}))
        raise UnknownModelError(f"no price is known for the model {model!r}; known models: {known}")
    return next((p for p in reversed(rows) if p.valid_from <= day), rows[0])


@dataclass(frozen=True, slots=True)
class SegmentPrice:
    """What a segment to numbers with this prefix costs from `valid_from` on, carriers' fees
    included, in US dollars."""

    prefix: str
    valid_from: date
    usd: float


SEGMENT_PRICES = (
    SegmentPrice("+1", date(2026, 11, 1), 0.0118),
    SegmentPrice("+", date(2026, 11, 1), 0.0600),
)


def sms_cost_usd(to: str, segments: int, day: date) -> float:
    """About what a text of so many segments costs.

    >>> sms_cost_usd("+12125550142", 2, date(2026, 11, 23))
    0.0236
    """
    rows = [p for p in SEGMENT_PRICES if to.startswith(p.prefix)]
    if not rows:
        return 0.0
    longest = max(len(p.prefix) for p in rows)
    dated = sorted((p for p in rows if len(p.prefix) == longest), key=lambda p: p.valid_from)
    price = next((p for p in reversed(dated) if p.valid_from <= day), dated[0])
    return round(segments * price.usd, 6)
