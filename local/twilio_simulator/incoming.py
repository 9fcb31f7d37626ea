"""What happens to a text from a phone: the network, Twilio's own keywords, the webhook."""

from secrets import token_hex

import phonenumbers

from local.simulation.clock import Clock
from local.twilio_simulator.control import Control
from local.twilio_simulator.keywords import Keyword, keyword
from local.twilio_simulator.segments import segments
from local.twilio_simulator.settings import Settings
from local.twilio_simulator.store import Message, Store
from local.twilio_simulator.webhooks import Background, Webhooks
from local.twilio_simulator.wire import API_VERSION


def as_carried(body: str) -> str:
    """The body as it comes out of the phone network.

    A text travels as UTF-16 units and reaches Twilio as UTF-8: two surrogates that belong together
    become one letter, a lone one cannot be written and becomes U+FFFD. NUL is a unit like any
    other and is carried.
    """
    return body.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def country(number: str) -> str:
    """ISO code of a number's country, '' when it has none."""
    return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""


class Incoming:
    """Records texts from phones and posts them to the back end."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        store: Store,
        control: Control,
        webhooks: Webhooks,
        background: Background,
    ) -> None:
        self._settings, self._clock, self._store = settings, clock, store
        self._control, self._webhooks, self._background = control, webhooks, background

    def receive(self, sender: str, body: str, media: tuple[dict[str, str], ...]) -> Message:
        """A phone sent this to our number; the webhook goes out in the background."""
        now = self._clock.now()
        ours = self._settings.twilio_number
        text = as_carried(body)
        message = self._store.add(
            Message(
                sid=("MM" if media else "SM") + token_hex(16),
                direction="inbound",
                from_number=sender,
                to_number=ours,
                body=text,
                status="received",
                created_at=now,
                updated_at=now,
                sent_at=now,
                media=media,
                messaging_service_sid=self._settings.twilio_messaging_service_sid,
                webhook_due=True,
            )
        )
        found = None
        if self._settings.twilio_handles_keywords and not media:
            found = keyword(text, self._store.opted_out(ours, sender))
            if found is not None:
                self._answer(found, sender)
        self.start(message, found)
        return message

    def start(self, message: Message, found: Keyword | None = None) -> None:
        """Deliver the webhook of a text just recorded, or of one that a restart found waiting."""
        form = self._form(message)
        if found is not None and message.messaging_service_sid is not None:
            form["OptOutType"] = found.name
        copies = self._control.webhook.copies()
        if copies == 0:
            self._store.webhook_settled(message.sid)
        for _ in range(copies):
            self._background.start(self._post(message.sid, form))

    async def _post(self, sid: str, form: dict[str, str]) -> None:
        await self._webhooks.post(self._settings.twilio_webhook_url, form, sid)
        self._store.webhook_settled(sid)

    def _answer(self, found: Keyword, sender: str) -> None:
        """Twilio's own answer: seen on the phone, absent from the account's messages."""
        ours = self._settings.twilio_number
        if found is not Keyword.HELP:
            self._store.set_opted_out(ours, sender, found is Keyword.STOP)
        now = self._clock.now()
        self._store.add(
            Message(
                sid="SM" + token_hex(16),
                direction="outbound",
                from_number=ours,
                to_number=sender,
                body=found.value,
                status="delivered",
                created_at=now,
                updated_at=now,
                sent_at=now,
                auto=True,
            )
        )

    def _form(self, message: Message) -> dict[str, str]:
        form = {
            "AccountSid": self._settings.twilio_account_sid,
            "ApiVersion": API_VERSION,
            "Body": message.body,
            "From": message.from_number,
            "MessageSid": message.sid,
            "NumMedia": str(len(message.media)),
            "NumSegments": str(max(segments(message.body), len(message.media))),
            "SmsMessageSid": message.sid,
            "SmsSid": message.sid,
            "SmsStatus": "received",
            "To": message.to_number,
        }
        for side, number in (("From", message.from_number), ("To", message.to_number)):
            form |= {f"{side}City": "", f"{side}State": "", f"{side}Zip": ""}
            form[f"{side}Country"] = country(number)
        if message.messaging_service_sid is not None:
            form["MessagingServiceSid"] = message.messaging_service_sid
        for index, item in enumerate(message.media):
            form[f"MediaUrl{index}"] = item["url"]
            form[f"MediaContentType{index}"] = item["content_type"]
        return form
