"""Recording an inbound text: the same for the webhook and for what the sweeper finds."""

from dataclasses import dataclass, field
from uuid import UUID

from lib.adapters.supabase import Database
from lib.core.ids import derived_id, inbound_message_id
from lib.core.model import JSON


@dataclass(frozen=True)
class InboundText:
    """A text as it arrived, cleaned. `keyword` is what it asks for as a whole, if anything, and
    `word` how the event of it says that.

    `answer` is false for a keyword that Twilio answers itself; `confirmation` is our own answer to
    STOP, START or HELP (HELP: of a number that has opted out; others get it with their turn), given
    unless `twilio_confirms`: Twilio answers these, but START only where it knows of the STOP.
    """

    sid: str
    phone: str = field(repr=False)
    body: str = field(repr=False)
    media: list[JSON] = field(default_factory=list, repr=False)
    keyword: str | None = None
    word: str | None = None
    answer: bool = True
    confirmation: str | None = None
    twilio_confirms: bool = False

    @property
    def message_id(self) -> UUID:
        """The same SID is the same message."""
        return inbound_message_id(self.sid)


def record(database: Database, text: InboundText) -> JSON:
    """Record one text; see sql/functions/record_inbound.sql for the answer.

    Raises:
        DatabaseUnavailable: nothing may have been recorded; the caller lets Twilio try again.
    """
    message_id = text.message_id
    return database.call(
        "record_inbound",
        text={
            "message_id": message_id,
            "event_id": derived_id(message_id, "event"),
            "reply_id": derived_id(message_id, "reply"),
            "sid": text.sid,
            "phone": text.phone,
            "body": text.body,
            "media": text.media,
            "keyword": text.keyword,
            "word": text.word,
            "answer": text.answer,
            "reply": text.confirmation,
            "twilio_confirms": text.twilio_confirms,
        },
    )
