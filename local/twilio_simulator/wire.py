"""Twilio's JSON: a message, a page of messages, an error; and the dates in its filters."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import JSONResponse

from local.twilio_simulator.segments import segments
from local.twilio_simulator.store import Message

API_VERSION = "2010-04-01"

_DELIVERY_ERRORS = {
    30001: "Queue overflow",
    30002: "Account suspended",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
    30036: "Validity Period Expired",
}


@dataclass
class ApiError(Exception):
    """A refusal in Twilio's shape; `code` is one of Twilio's error codes."""

    status: int
    code: int
    message: str

    def response(self) -> JSONResponse:
        """The answer the twilio package turns into a TwilioRestException."""
        return JSONResponse(
            {
                "code": self.code,
                "message": self.message,
                "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
                "status": self.status,
            },
            status_code=self.status,
        )


def rfc2822(seconds: float) -> str:
    """As in Twilio's JSON: whole seconds, UTC."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC))


def instant(text: str) -> float:
    """The moment a date filter names, as epoch seconds: a day's midnight or a time, UTC.

    Raises ApiError when it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ApiError(400, 20001, f"Invalid date: {text}") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def resource(account_sid: str, sid: str = "") -> str:
    """The path of the account's messages, or of one of them, without `.json`."""
    return f"/{API_VERSION}/Accounts/{account_sid}/Messages" + (f"/{sid}" if sid else "")


def message_json(account_sid: str, message: Message) -> dict[str, Any]:
    """One message as the REST resource shows it."""
    path = resource(account_sid, message.sid)
    charged = message.sent_at is not None
    count = segments(message.body)
    return {
        "account_sid": account_sid,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": rfc2822(message.created_at),
        "date_sent": None if message.sent_at is None else rfc2822(message.sent_at),
        "date_updated": rfc2822(message.updated_at),
        "direction": "inbound" if message.direction == "inbound" else "outbound-api",
        "error_code": message.error_code,
        "error_message": error_message(message.error_code),
        "from": message.from_number,
        "messaging_service_sid": message.messaging_service_sid,
        "num_media": str(len(message.media)),
        "num_segments": str(count),
        "price": f"-{0.0083 * count:.5f}" if charged else None,
        "price_unit": "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{path}/Media.json"},
        "to": message.to_number,
        "uri": f"{path}.json",
    }


def error_message(code: int | None) -> str | None:
    """Twilio's words for a delivery error."""
    return None if code is None else _DELIVERY_ERRORS.get(code, "Unknown error")


def page_json(
    account_sid: str,
    messages: list[Message],
    filters: list[tuple[str, str]],
    page: int,
    page_size: int,
    next_token: str | None,
) -> dict[str, Any]:
    """One page of a listing; `next_token` leads to the next one, None on the last."""

    def uri(number: int, token: str | None = None) -> str:
        values = [*filters, ("PageSize", str(page_size)), ("Page", str(number))]
        if token is not None:
            values.append(("PageToken", token))
        return f"{resource(account_sid)}.json?{urlencode(values, quote_via=quote)}"

    start = page * page_size
    return {
        "end": start + max(len(messages) - 1, 0),
        "first_page_uri": uri(0),
        "messages": [message_json(account_sid, message) for message in messages],
        "next_page_uri": None if next_token is None else uri(page + 1, next_token),
        "page": page,
        "page_size": page_size,
        "previous_page_uri": uri(page - 1) if page > 0 else None,
        "start": start,
        "uri": uri(page),
    }
