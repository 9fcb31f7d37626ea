"""The REST resource Messages: create, list and fetch, as the `twilio` package calls them."""

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from secrets import compare_digest, token_hex
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.simulation.clock import Clock
from local.simulation.http import hang
from local.twilio_simulator.control import Control
from local.twilio_simulator.outgoing import Outgoing
from local.twilio_simulator.settings import E164, Settings
from local.twilio_simulator.store import Message, Query, Store
from local.twilio_simulator.wire import ApiError, instant, message_json, page_json

#: Twilio's longest body, characters.
MAX_BODY = 1600
#: How long a text may wait to be sent, seconds: Twilio's longest ValidityPeriod and its default.
MAX_VALID_S = 36_000
_MAX_PAGE = 1000
_DAY_S = 86_400
_FILTERS = ("To", "From", "DateSent", "DateSent<", "DateSent>")


@dataclass
class Rest:
    """Handlers for `/2010-04-01/Accounts/{account}/Messages…`."""

    settings: Settings
    clock: Clock
    store: Store
    control: Control
    outgoing: Outgoing

    async def create(self, request: Request) -> Response:
        """POST Messages.json: refuse, or accept and answer *queued*."""
        self._authenticate(request)
        form = _form(await request.body())
        fault = self.control.faults.take()
        if fault == "429":
            raise ApiError(429, 20429, "Too Many Requests")
        if fault == "500":
            raise ApiError(500, 20500, "An internal server error has occurred")
        if fault == "garbage":
            return Response("<html>bad gateway</html>", media_type="text/html")
        if fault == "timeout_before":
            await hang(request, self.control.hang_s)
            raise ApiError(504, 20504, "Gateway timeout")
        message = self.store.add(self._accepted(form))
        self.outgoing.start(message)
        if fault == "500_after":
            raise ApiError(500, 20500, "An internal server error has occurred")
        if fault == "timeout_after":
            await hang(request, self.control.hang_s)
            raise ApiError(504, 20504, "Gateway timeout")
        return JSONResponse(
            message_json(self.settings.twilio_account_sid, message), status_code=201
        )

    async def index(self, request: Request) -> Response:
        """GET Messages.json: newest first, filtered, paged by the last SID of a page."""
        self._authenticate(request)
        asked = request.query_params
        size = min(max(_whole(asked.get("PageSize", "50"), "PageSize"), 1), _MAX_PAGE)
        page = max(_whole(asked.get("Page", "0"), "Page"), 0)
        token = asked.get("PageToken")
        after_sid = None
        if token is not None:
            after_sid = token.removeprefix("PA")
            if self.store.get(after_sid) is None:
                raise ApiError(400, 20006, "Page token is invalid")
        query = _query({name: asked[name] for name in _FILTERS if asked.get(name)})
        found = self.store.page(query, size + 1, page * size, after_sid)
        shown = found[:size]
        return JSONResponse(
            page_json(
                self.settings.twilio_account_sid,
                shown,
                [(name, asked[name]) for name in _FILTERS if asked.get(name)],
                page,
                size,
                f"PA{shown[-1].sid}" if len(found) > size else None,
            )
        )

    async def fetch(self, request: Request) -> Response:
        """GET Messages/{sid}.json."""
        self._authenticate(request)
        message = self.store.get(request.path_params["sid"])
        if message is None or message.auto:
            raise _not_found(request)
        return JSONResponse(message_json(self.settings.twilio_account_sid, message))

    def _authenticate(self, request: Request) -> None:
        """Basic auth with the account's SID and token; another account's path is not found."""
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            given = b64decode(encoded, validate=True) if scheme.lower() == "basic" else b""
        except binascii.Error:
            given = b""
        account = self.settings.twilio_account_sid
        if not compare_digest(given, f"{account}:{self.settings.twilio_auth_token}".encode()):
            raise ApiError(401, 20003, "Authenticate")
        if request.path_params["account"] != account:
            raise _not_found(request)

    def _accepted(self, form: dict[str, list[str]]) -> Message:
        """The message these parameters ask for. Raises ApiError as Twilio refuses them."""
        to, sender, body, service, callback = (
            form.get(name, [""])[-1]
            for name in ("To", "From", "Body", "MessagingServiceSid", "StatusCallback")
        )
        media = form.get("MediaUrl", [])
        if not to:
            raise ApiError(400, 21604, "A 'To' phone number is required.")
        to = re.sub(r"[\s().-]", "", to)
        if not re.match(E164, to):
            raise ApiError(400, 21211, f"Invalid 'To' Phone Number: {_masked(to)}")
        ours = self.settings.twilio_number
        if service:
            expected = self.settings.twilio_messaging_service_sid or service
            if service != expected or not re.match(r"^MG[0-9a-fA-F]{32}$", service):
                raise ApiError(400, 21701, "The Messaging Service does not exist")
        elif not sender:
            raise ApiError(400, 21603, "A 'From' phone number is required.")
        if sender and sender != ours:
            raise ApiError(
                400, 21606, "The 'From' phone number is not a message-capable number of yours."
            )
        if to == ours:
            raise ApiError(400, 21266, "'To' and 'From' number cannot be the same")
        if not body and not media:
            raise ApiError(400, 21602, "Message body is required.")
        if len(body) > MAX_BODY:
            raise ApiError(
                400, 21617, "The concatenated message body exceeds the 1600 character limit"
            )
        if callback and urlsplit(callback).scheme not in ("http", "https"):
            raise ApiError(400, 21609, "The 'StatusCallback' URL is not a valid URL.")
        if self.settings.twilio_handles_keywords and self.store.opted_out(ours, to):
            raise ApiError(400, 21610, "Attempt to send to unsubscribed recipient")
        valid_s = _validity(form.get("ValidityPeriod", [str(MAX_VALID_S)])[-1])
        now = self.clock.now()
        return Message(
            sid=("MM" if media else "SM") + token_hex(16),
            direction="outbound",
            from_number=ours,
            to_number=to,
            body=body,
            status="queued",
            created_at=now,
            updated_at=now,
            media=tuple({"url": url, "content_type": ""} for url in media),
            messaging_service_sid=service or None,
            status_callback=callback or None,
            valid_until=now + valid_s,
        )


def _form(body: bytes) -> dict[str, list[str]]:
    """The urlencoded body, every value of each name. Raises ApiError for too many of them."""
    form: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), True, max_num_fields=100)
    except ValueError as error:
        raise ApiError(400, 20001, "Too many parameters") from error
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


def _query(filters: dict[str, str]) -> Query:
    """The listing these filters ask for. Dates are inclusive, as Twilio's are."""
    sent_from = instant(filters["DateSent>"]) if "DateSent>" in filters else None
    sent_before = instant(filters["DateSent<"]) + 1 if "DateSent<" in filters else None
    if "DateSent" in filters:
        moment = instant(filters["DateSent"])
        sent_from = moment - moment % _DAY_S
        sent_before = sent_from + _DAY_S
    return Query(filters.get("To"), filters.get("From"), sent_from, sent_before)


def _validity(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text) or not 1 <= int(text) <= MAX_VALID_S:
        raise ApiError(400, 21624, "Invalid validity period value")
    return int(text)


def _whole(text: str, name: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise ApiError(400, 20001, f"Invalid {name}")
    return int(text)


def _not_found(request: Request) -> ApiError:
    return ApiError(404, 20404, f"The requested resource {request.url.path} was not found")


def _masked(number: str) -> str:
    """Enough to recognise a number by; errors end up in logs."""
    return "XXXX" + number[-4:] if len(number) > 6 else number
