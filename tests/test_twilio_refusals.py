"""What becomes of a text that Twilio refuses, by the error's code."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lib.adapters.twilio_errors import whose
from lib.adapters.twilio_sms import NotTaken, Refused, SendResult, Sms, Unknown
from lib.core.settings import TwilioSenderSettings


class Refusing:
    """A Twilio that refuses every text with one status and code."""

    def __init__(self) -> None:
        self.status, self.code = 400, 0
        refusing = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                answer = json.dumps({"code": refusing.code, "message": "no"}).encode()
                self.send_response(refusing.status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.sms = Sms(
            TwilioSenderSettings.model_validate(
                {
                    "twilio_account_sid": "AC" + "0" * 32,
                    "twilio_auth_token": "token",
                    "twilio_number": "+15005550006",
                    "twilio_status_url": "http://127.0.0.1/s",
                    "twilio_api_url": f"http://127.0.0.1:{self.server.server_address[1]}",
                }
            )
        )

    def with_code(self, status: int, code: int) -> SendResult:
        self.status, self.code = status, code
        return self.sms.send("id", "+12125550142", "words", 60)


@pytest.fixture(scope="module")
def twilio() -> Iterator[Refusing]:
    refusing = Refusing()
    threading.Thread(target=refusing.server.serve_forever, daemon=True).start()
    yield refusing
    refusing.server.shutdown()
    refusing.server.server_close()


@pytest.mark.parametrize("code", [21610, 21211, 21614, 21408, 21602, 21617, 21635])
def test_what_the_recipient_or_the_text_cannot_have_is_final(twilio: Refusing, code: int) -> None:
    assert twilio.with_code(400, code) == Refused(str(code))


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, 20003), (400, 21606), (400, 21611), (400, 21624), (404, 20404), (400, 99999)],
)
def test_what_is_ours_to_mend_waits(twilio: Refusing, status: int, code: int) -> None:
    assert twilio.with_code(status, code) == NotTaken(str(code))
    assert whose(str(code)) == "ours"


def test_too_many_requests_wait_and_are_no_operators_business(twilio: Refusing) -> None:
    assert twilio.with_code(429, 20429) == NotTaken("20429")
    assert whose("20429") == "passing"


def test_a_failure_of_twilio_s_own_leaves_the_end_unknown_whatever_its_code(
    twilio: Refusing,
) -> None:
    assert twilio.with_code(500, 21211) == Unknown("500")


def test_receipts_say_whose_their_error_is() -> None:
    codes = {"21610": "member", "30003": "passing", "30005": "recipient", "30036": "passing"}
    assert {code: whose(code) for code in codes} == codes
    # Filtered, an unregistered sender, a queue that is full: somebody has to look.
    assert {whose(code) for code in ("30007", "30034", "30001", "30002")} == {"ours"}
