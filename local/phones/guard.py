"""Keeps other web sites away from the phones page.

The page listens on 127.0.0.1 only, but any site open in the same browser can send requests there.
Two rules keep them out: the Host header must name this machine (otherwise a foreign name has been
pointed at it, "DNS rebinding", and could read texts), and a request that changes something must
not come from another origin (it could send texts).
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
READING_METHODS = frozenset({"GET", "HEAD"})

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def refusal(method: str, headers: Headers) -> str | None:
    """One sentence why a request is refused, or None when it may pass."""
    host = headers.get("host", "")
    if _hostname(f"//{host}") not in LOOPBACK_HOSTS:
        return "This page answers only under 127.0.0.1 or localhost."
    if method in READING_METHODS:
        return None
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return "Requests from other sites are refused."
    # Browsers that send no Origin still say where a request comes from.
    if headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return "Requests from other sites are refused."
    return None


def _hostname(url: str) -> str | None:
    """The host of a URL, None where it is malformed."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


class SameMachineOnly:
    """ASGI middleware: `refusal` for every request, and security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        reason = refusal(scope["method"], Headers(scope=scope))
        if reason is not None:
            await JSONResponse({"error": reason}, 403)(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)
