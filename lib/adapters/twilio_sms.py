"""Twilio's Messages resource: send a text, list texts. Errors are sorted by what may have happened.

Twilio has no idempotency key on send, so the difference between "surely not taken" and "perhaps
taken" decides whether a text may be sent again (protocol.md, 20-23).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from lib.adapters.twilio_errors import is_final
from lib.core import trace
from lib.core.settings import TwilioAccountSettings, TwilioSenderSettings, as_url

#: protocol.md, 21: connecting may take so long, and so may the answer.
REQUEST_TIMEOUT_S = 10.0
LISTING_LIMIT = 1000


@dataclass(frozen=True)
class Accepted:
    """Twilio has the text."""

    sid: str
    status: str
    segments: int | None = None


@dataclass(frozen=True)
class Refused:
    """Twilio will never take this text; `code` is Twilio's error code."""

    code: str


@dataclass(frozen=True)
class NotTaken:
    """Twilio surely has not taken the text, for a passing reason: send it again later."""

    code: str


@dataclass(frozen=True)
class Unknown:
    """Twilio may or may not have taken the text: look before sending again."""

    code: str


SendResult = Accepted | Refused | NotTaken | Unknown


@dataclass(frozen=True)
class ListedText:
    """A text as Twilio lists it. `created_at` is UTC."""

    sid: str
    sender: str = field(repr=False)
    body: str = field(repr=False)
    status: str
    direction: str
    media_count: int
    created_at: datetime | None


class TwilioUnavailable(Exception):
    """A listing could not be had."""


class Sms:
    """Sends texts. Safe to share between threads."""

    def __init__(self, settings: TwilioSenderSettings) -> None:
        self._settings = settings
        self._client = _client(settings)

    def send(self, message_id: str, to: str, body: str, valid_s: int) -> SendResult:
        """Hand one text to Twilio. Never raises for what Twilio or the network does.

        `message_id` (`messages.id`) travels in the callback's URL, so that a receipt proves
        acceptance even when this call's answer is lost. After `valid_s` seconds (1 to 36,000)
        Twilio gives a text up that it has not handed over.
        """
        with trace.call("twilio send", message_id=message_id) as attributes:
            result = self._send(message_id, to, body, valid_s)
            attributes["outcome"] = type(result).__name__.lower()
            attributes["code"] = getattr(result, "code", None)
            return result

    def _send(self, message_id: str, to: str, body: str, valid_s: int) -> SendResult:
        sender: dict[str, Any] = (
            {"messaging_service_sid": self._settings.twilio_messaging_service_sid}
            if self._settings.twilio_messaging_service_sid
            else {"from_": self._settings.twilio_number}
        )
        try:
            message = self._client.messages.create(
                to=to,
                body=body,
                status_callback=f"{self._settings.twilio_status_url}?m={message_id}",
                validity_period=valid_s,
                # The body is plain already; a listing must show the one that was sent.
                smart_encoded=False,
                **sender,
            )
        except TwilioRestException as error:
            if error.status >= 500:
                return Unknown(str(error.status))
            if is_final(str(error.code)):
                return Refused(str(error.code))
            return NotTaken(str(error.code or error.status))
        except requests.exceptions.ConnectTimeout:
            return NotTaken("connect")
        except requests.exceptions.ConnectionError as error:
            # Refused or unresolved means that nothing was sent; a connection lost later does not.
            return NotTaken("connect") if _never_connected(error) else Unknown("connection")
        except (
            requests.exceptions.RequestException,
            TwilioException,
            ValueError,
            KeyError,
            TypeError,
        ):
            return Unknown("answer")
        if not message.sid:
            return Unknown("answer")
        segments = str(message.num_segments or "")
        return Accepted(
            sid=message.sid,
            status=str(message.status or "accepted"),
            segments=int(segments) if segments.isdigit() else None,
        )


class Texts:
    """The texts that Twilio has. Safe to share between threads."""

    def __init__(self, settings: TwilioAccountSettings) -> None:
        self._number = settings.twilio_number
        self._client = _client(settings)

    def sent_to(self, to: str, since: datetime) -> list[ListedText]:
        """Texts from us to `to` created at or after `since` (UTC), oldest first.

        Raises:
            TwilioUnavailable: the listing could not be had.
        """
        texts = [t for t in self._oldest_first(to=to) if t.direction.startswith("outbound")]
        return sorted(
            (t for t in texts if t.created_at and t.created_at >= since.replace(microsecond=0)),
            key=lambda t: t.created_at or since,
        )

    def received(self, since: datetime) -> list[ListedText]:
        """Inbound texts to our number created at or after `since` (UTC), oldest first.

        Raises:
            TwilioUnavailable: the listing could not be had.
        """
        texts = self._oldest_first(to=self._number, date_sent_after=since)
        return sorted(
            (
                t
                for t in texts
                if t.direction == "inbound" and (t.created_at is None or t.created_at >= since)
            ),
            key=lambda t: t.created_at or since,
        )

    def _oldest_first(self, **filters: Any) -> list[ListedText]:
        # Twilio lists the newest first, and its times are whole seconds: texts of one second keep
        # their order only if the listing is turned round before it is sorted.
        return list(self._list(**filters))[::-1]

    def _list(self, **filters: Any) -> Iterator[ListedText]:
        try:
            with trace.call("twilio list") as attributes:
                found = self._client.messages.list(limit=LISTING_LIMIT, **filters)
                attributes["texts"] = len(found)
            for message in found:
                yield ListedText(
                    sid=str(message.sid),
                    sender=str(message.from_ or ""),
                    body=str(message.body or ""),
                    status=str(message.status or ""),
                    direction=str(message.direction or ""),
                    media_count=int(message.num_media or 0),
                    created_at=message.date_created,
                )
        except (requests.exceptions.RequestException, TwilioException, ValueError) as error:
            raise TwilioUnavailable("texts could not be listed") from error


def _client(settings: TwilioAccountSettings) -> Client:
    client = Client(
        settings.twilio_account_sid,
        settings.twilio_auth_token.get_secret_value(),
        # max_retries=0: a repeated send could double a text.
        http_client=TwilioHttpClient(timeout=REQUEST_TIMEOUT_S, max_retries=0),
    )
    if settings.twilio_api_url is not None:
        client.api.base_url = as_url(settings.twilio_api_url)
    return client


def _never_connected(error: requests.exceptions.ConnectionError) -> bool:
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return type(reason).__name__ in {
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeoutError",
    }
