"""The Twilio simulator, driven by the real `twilio` package over HTTP."""

import json
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from requests.exceptions import ReadTimeout
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.support.sim_process import Receiver, Simulator, free_port
from tests.support.sim_spec import check
from tests.support.stack import wait_for

ACCOUNT = "AC" + "0a" * 16
TOKEN = "a-local-token"
OURS = "+15005550006"
PHONE = "+12125550123"


def variables(directory: Path, webhook: str) -> dict[str, str]:
    return {
        "SIM_STATE": str(directory / "twilio.sqlite"),
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_NUMBER": OURS,
        "TWILIO_WEBHOOK_URL": webhook,
        "LOCAL_CLOCK_FILE": str(directory / "clock"),
        "SIM_DELIVERY_MS": "80",
        "SIM_HANG_MS": "3000",
        "SIM_RETRY_MS": "50",
    }


def client_of(simulator: Simulator, timeout_s: float = 10) -> Client:
    client = Client(ACCOUNT, TOKEN, http_client=TwilioHttpClient(timeout=timeout_s))
    client.api.base_url = simulator.url
    return client


@pytest.fixture(scope="module")
def webhook_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, webhook_port: int) -> Iterator[Simulator]:
    webhook = f"http://127.0.0.1:{webhook_port}/twilio_webhook"
    given = variables(tmp_path_factory.mktemp("twilio"), webhook)
    with Simulator("local.twilio_simulator", given) as simulator:
        yield simulator


@pytest.fixture
def receiver(webhook_port: int) -> Iterator[Receiver]:
    with Receiver(webhook_port) as receiving:
        yield receiving
        # What is still under way must not arrive in the next test.
        time.sleep(0.2)


@pytest.fixture
def simulator(running: Simulator, receiver: Receiver) -> Iterator[Simulator]:
    assert receiver.calls == []
    running.control(reset=True, wipe=True)
    clock_of(running).unlink(missing_ok=True)
    yield running
    running.control(reset=True)
    wait_for(lambda: not is_busy(running), "end of what is under way")


def is_busy(simulator: Simulator) -> bool:
    """Whether a text is on its way to its phone, or to the webhook."""
    with closing(sqlite3.connect(simulator.variables["SIM_STATE"])) as state:
        return bool(
            state.execute(
                "select 1 from messages where webhook_due"
                " or status in ('accepted', 'queued', 'sending', 'sent')"
            ).fetchall()
        )


def clock_of(simulator: Simulator) -> Path:
    return Path(simulator.variables["LOCAL_CLOCK_FILE"])


@pytest.fixture
def client(simulator: Simulator) -> Client:
    return client_of(simulator)


def send(client: Client, body: str = "hello", to: str = PHONE, **more: Any) -> Any:
    return client.messages.create(to=to, from_=OURS, body=body, **more)


def text(simulator: Simulator, body: str, sender: str = PHONE, **more: Any) -> str:
    # By hand: httpx refuses to encode the lone surrogates that some texts here hold.
    content = json.dumps({"from": sender, "body": body, **more}).encode()
    answer = httpx.post(f"{simulator.url}/_sim/inbound", content=content, trust_env=False)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["sid"])


def phones(simulator: Simulator, **params: Any) -> list[dict[str, Any]]:
    answer = httpx.get(f"{simulator.url}/_sim/messages", params=params, trust_env=False)
    messages: list[dict[str, Any]] = answer.json()["messages"]
    return messages


def rest(simulator: Simulator, path: str = "", **params: Any) -> Any:
    with http_client(simulator) as http:
        return http.get(f"Messages{path}.json", params=params).json()


def http_client(simulator: Simulator) -> httpx.Client:
    url = f"{simulator.url}/2010-04-01/Accounts/{ACCOUNT}"
    return httpx.Client(base_url=url, auth=(ACCOUNT, TOKEN), trust_env=False)


def wait_for_status(client: Client, sid: str, status: str) -> Any:
    deadline = time.monotonic() + 10
    while (message := client.messages(sid).fetch()).status != status:
        assert time.monotonic() < deadline, message.status
        time.sleep(0.02)
    return message


def genuine(url: str, call: Any) -> bool:
    signature = call.headers["x-twilio-signature"]
    return bool(RequestValidator(TOKEN).validate(url, call.form, signature))


# Sending


def test_a_text_is_queued_then_sent_then_delivered_with_a_signed_callback_each(
    client: Client, receiver: Receiver
) -> None:
    url = f"{receiver.url}/twilio_status?m=5b0c"
    message = send(client, "hello 👋", status_callback=url)
    assert (message.status, message.body, message.direction) == (
        "queued",
        "hello 👋",
        "outbound-api",
    )
    calls = receiver.wait(3)
    assert [call.form["MessageStatus"] for call in calls] == ["queued", "sent", "delivered"]
    for call in calls:
        assert genuine(url, call)
        assert call.path == "/twilio_status?m=5b0c"
        assert call.form["MessageSid"] == call.form["SmsSid"] == message.sid
        assert call.form["SmsStatus"] == call.form["MessageStatus"]
        assert (call.form["To"], call.form["From"]) == (PHONE, OURS)
        assert (call.form["AccountSid"], call.form["ApiVersion"]) == (ACCOUNT, "2010-04-01")
        assert "ErrorCode" not in call.form
    assert client.messages(message.sid).fetch().status == "delivered"


def test_answers_have_the_published_shape(simulator: Simulator, client: Client) -> None:
    created = httpx.post(
        f"{simulator.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
        data={"To": PHONE, "From": OURS, "Body": "x" * 200},
        auth=(ACCOUNT, TOKEN),
        trust_env=False,
    )
    assert created.status_code == 201
    check("create", "201", created.json())
    assert created.json()["num_segments"] == "2"
    text(simulator, "hi", media=[{"url": "https://example.com/a.png", "content_type": "image/png"}])
    wait_for_status(client, created.json()["sid"], "delivered")
    check("fetch", "200", rest(simulator, "/" + created.json()["sid"]))
    for page_size in (1, 50):
        page = rest(simulator, To=PHONE, PageSize=page_size)
        assert len(page["messages"]) == 1
        check("list", "200", page)
    check("list", "200", rest(simulator))
    check("list", "200", rest(simulator, To="+19995550100"))


def test_1600_characters_with_emoji_survive_and_1601_are_refused(client: Client) -> None:
    body = ("Zoë & 大👩🏽\u200d💻é\n" * 200)[:1600]
    assert client.messages(send(client, body).sid).fetch().body == body
    with pytest.raises(TwilioRestException) as refusal:
        send(client, body + "👋")
    assert (refusal.value.status, refusal.value.code) == (400, 21617)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"to": "12"}, 21211),
        ({"to": "+0123456789"}, 21211),
        ({"to": ""}, 21604),
        ({"to": OURS}, 21266),
        ({"body": ""}, 21602),
        ({"from_": "+15005550001"}, 21606),
        ({"from_": ""}, 21603),
        ({"status_callback": "not a url"}, 21609),
    ],
)
def test_what_twilio_refuses_is_refused_with_its_code(
    client: Client, wrong: dict[str, str], code: int
) -> None:
    with pytest.raises(TwilioRestException) as refusal:
        client.messages.create(**({"to": PHONE, "from_": OURS, "body": "hello"} | wrong))
    assert (refusal.value.status, refusal.value.code) == (400, code)
    assert client.messages.list() == []


def test_a_wrong_token_is_not_let_in(simulator: Simulator) -> None:
    stranger = Client(ACCOUNT, "wrong")
    stranger.api.base_url = simulator.url
    with pytest.raises(TwilioRestException) as refusal:
        send(stranger)
    assert (refusal.value.status, refusal.value.code) == (401, 20003)


def test_an_unknown_sid_is_not_found(client: Client) -> None:
    with pytest.raises(TwilioRestException) as refusal:
        client.messages("SM" + "0" * 32).fetch()
    assert (refusal.value.status, refusal.value.code) == (404, 20404)


def test_500_sends_at_once_are_all_accepted_and_delivered(
    simulator: Simulator, client: Client, receiver: Receiver
) -> None:
    def one(n: int) -> str:
        callback = f"{receiver.url}/twilio_status"
        return str(send(client, f"text {n}", f"+1212555{n:04}", status_callback=callback).sid)

    with ThreadPoolExecutor(100) as pool:
        sids = set(pool.map(one, range(500)))
    assert len(sids) == 500
    calls = receiver.wait(1500, timeout_s=60)
    assert {call.form["MessageSid"] for call in calls} == sids
    assert {message["status"] for message in phones(simulator)} == {"delivered"}


# Listing


def test_a_listing_is_newest_first_filtered_and_paged(client: Client) -> None:
    for n in range(7):
        send(client, f"to a {n}", "+12125550101")
        send(client, f"to b {n}", "+12125550102")
    newest = [message.body for message in client.messages.list(to="+12125550101", page_size=3)]
    assert newest == [f"to a {n}" for n in reversed(range(7))]
    assert len(client.messages.list(from_=OURS, page_size=4)) == 14
    assert client.messages.list(from_=PHONE) == []
    assert len(client.messages.list(limit=5)) == 5


def test_a_listing_can_be_limited_to_dates(simulator: Simulator, client: Client) -> None:
    first = wait_for_status(client, send(client, "today").sid, "delivered")
    clock_of(simulator).write_text(str(3 * 86_400))
    last = wait_for_status(client, send(client, "in three days").sid, "delivered")
    later = first.date_sent + timedelta(days=1)

    def bodies(**dates: Any) -> list[str | None]:
        return [message.body for message in client.messages.list(**dates)]

    assert bodies(date_sent_after=later) == ["in three days"]
    assert bodies(date_sent_before=later) == ["today"]
    assert bodies(date_sent=last.date_sent) == ["in three days"]
    assert bodies(date_sent_after=later, to="+19995550100") == []
    assert phones(simulator)[-1]["date_created"] > (later + timedelta(days=1)).isoformat()


def test_listing_stays_fast_at_100000_messages(tmp_path: Path, receiver: Receiver) -> None:
    given = variables(tmp_path, receiver.url)
    simulator = Simulator("local.twilio_simulator", given)
    with simulator:
        send(client_of(simulator), "the oldest")
        text(simulator, "also old", "+12125559999")
        time.sleep(0.3)
    with closing(sqlite3.connect(given["SIM_STATE"])) as database, database:
        database.execute(
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < 100000)"
            " insert into messages (sid, direction, from_number, to_number, body, media, status,"
            " auto, webhook_due, created_at, updated_at, sent_at, seq)"
            " select printf('SM%032d', i), 'inbound', printf('+1212%07d', i % 5000), ?, 'x', '[]',"
            " 'received', 0, 0, s, s, s, 1000 + i from"
            " (select i, strftime('%s') - 200000 + i as s from n)",
            (OURS,),
        )
    with simulator, http_client(simulator) as http:
        for params in (
            {"To": PHONE},
            {"To": OURS, "From": "+12125559999"},
            {"To": OURS, "DateSent>": "2100-01-01"},
            {"To": OURS, "From": "+12120000007", "PageSize": "5"},
            {"PageSize": "20"},
        ):
            listing = partial(http.get, "Messages.json", params=params)
            # The best of a few, so that a busy machine does not matter.
            assert min(_seconds(listing) for _ in range(8)) < 0.015


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# Faults


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [("429", 0), ("500", 0), ("500_after", 1), ("garbage", 0)],
)
def test_a_fault_hits_as_many_calls_as_asked_for(
    simulator: Simulator, client: Client, fault: str, accepted: int
) -> None:
    simulator.control(fail=fault, times=2)
    for _ in range(2):
        with pytest.raises((TwilioRestException, ValueError)) as failure:
            send(client)
        if fault == "429":
            assert isinstance(failure.value, TwilioRestException)
            assert (failure.value.status, failure.value.code) == (429, 20429)
    assert len(client.messages.list()) == 2 * accepted
    assert send(client).status == "queued"


@pytest.mark.parametrize(("fault", "accepted"), [("timeout_before", 0), ("timeout_after", 1)])
def test_a_timeout_hangs_and_only_the_later_kind_accepts(
    simulator: Simulator, client: Client, fault: str, accepted: int
) -> None:
    simulator.control(fail=fault)
    with pytest.raises(ReadTimeout):
        send(client_of(simulator, timeout_s=1.5))
    wait_for(lambda: len(client.messages.list()) == accepted, "what was accepted")
    assert send(client).status == "queued"


def test_rates_fault_the_same_calls_for_the_same_seed(simulator: Simulator, client: Client) -> None:
    outcomes = []
    for _ in range(2):
        simulator.control(rates={"429": 0.3, "500": 0.2}, seed=7)
        outcome = []
        for _ in range(20):
            try:
                send(client)
            except TwilioRestException as failure:
                outcome.append(failure.status)
            else:
                outcome.append(201)
        outcomes.append(outcome)
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) == {201, 429, 500}
    suffered = simulator.control()["suffered"]
    assert suffered == {str(s): 2 * outcomes[0].count(s) for s in (429, 500)}
    assert simulator.control(reset=True)["suffered"] == {}


@pytest.mark.parametrize("ending", ["undelivered", "failed"])
def test_a_delivery_can_end_badly_with_an_error_code(
    simulator: Simulator, client: Client, receiver: Receiver, ending: str
) -> None:
    simulator.control(deliver=ending, error_code=30005, times=1)
    message = send(client, status_callback=f"{receiver.url}/s")
    ended = wait_for_status(client, message.sid, ending)
    assert (ended.error_code, ended.error_message) == (30005, "Unknown destination handset")
    last = receiver.wait(2 if ending == "failed" else 3)[-1]
    assert (last.form["MessageStatus"], last.form["ErrorCode"]) == (ending, "30005")
    wait_for_status(client, send(client).sid, "delivered")


@pytest.mark.parametrize("seconds", ["0", "36001", "-5", "soon", "1.5"])
def test_a_validity_period_that_twilio_does_not_know_is_refused(
    simulator: Simulator, seconds: str
) -> None:
    form = {"To": PHONE, "From": OURS, "Body": "hello", "ValidityPeriod": seconds}
    with http_client(simulator) as http:
        answer = http.post("Messages.json", data=form)
    assert (answer.status_code, answer.json()["code"]) == (400, 21624)
    assert phones(simulator) == []


def test_a_text_held_back_for_longer_than_it_is_valid_is_never_sent(
    simulator: Simulator, client: Client, receiver: Receiver
) -> None:
    simulator.control(hold=True)
    short = send(client, "short", validity_period=60, status_callback=f"{receiver.url}/s")
    others = [send(client, "long", validity_period=36_000), send(client, "default")]
    # Nearly its time, and as much left as all of this takes on a slow machine.
    clock_of(simulator).write_text("40")
    time.sleep(0.1)
    assert client.messages(short.sid).fetch().status == "queued"
    clock_of(simulator).write_text("61")
    over = wait_for_status(client, short.sid, "failed")
    assert (over.error_code, over.error_message) == (30036, "Validity Period Expired")
    last = receiver.wait(2)[-1]
    assert (last.form["MessageStatus"], last.form["ErrorCode"]) == ("failed", "30036")
    simulator.control(hold=False)
    for other in others:
        wait_for_status(client, other.sid, "delivered")


def test_a_file_of_before_validity_periods_is_still_read(tmp_path: Path) -> None:
    given = variables(tmp_path, "http://127.0.0.1:9/none")
    with Simulator("local.twilio_simulator", given) as simulator:
        wait_for_status(client_of(simulator), send(client_of(simulator)).sid, "delivered")
    with closing(sqlite3.connect(given["SIM_STATE"])) as state:
        state.execute("alter table messages drop column valid_until")
    with Simulator("local.twilio_simulator", given) as simulator:
        send(client_of(simulator), "another")
        assert [m["body"] for m in phones(simulator)] == ["hello", "another"]


def test_callbacks_can_be_dropped_doubled_and_overtaken(
    simulator: Simulator, client: Client, receiver: Receiver
) -> None:
    url = f"{receiver.url}/s"
    simulator.control(callbacks={"drop": 1})
    wait_for_status(client, send(client, status_callback=url).sid, "delivered")
    time.sleep(0.1)
    assert receiver.calls == []
    simulator.control(callbacks={"duplicate": 1})
    send(client, status_callback=url)
    assert len(receiver.wait(6)) == 6
    assert simulator.control()["callbacks"]["dealt"] == {"duplicate": 3}
    simulator.control(callbacks={"reorder": 0.5, "seed": 3})
    receiver.calls.clear()
    for _ in range(5):
        send(client, status_callback=url)
    rank = {"queued": 0, "sent": 1, "delivered": 2}
    order: dict[str, list[int]] = {}
    for call in receiver.wait(15):
        order.setdefault(call.form["MessageSid"], []).append(rank[call.form["MessageStatus"]])
    assert any(ranks != sorted(ranks) for ranks in order.values())
    assert simulator.control(reset=True)["callbacks"]["reorder"] == 0


def test_a_misspelt_order_is_refused_in_a_sentence(simulator: Simulator) -> None:
    for wrong in ({"fial": "429"}, {"fail": "nonsense"}, {"callbacks": {"drop": 3}}):
        answer = httpx.post(f"{simulator.url}/_sim/control", json=wrong, trust_env=False)
        assert answer.status_code == 400
        assert answer.json()["error"]


# Texts from phones


def test_an_inbound_text_is_posted_with_twilios_fields_and_signature(
    simulator: Simulator, client: Client, receiver: Receiver
) -> None:
    body = "Hi, I\u2019m Zoë 👋 & co; 1+1=2?"
    sid = text(simulator, body)
    (call,) = receiver.wait(1)
    assert call.path == "/twilio_webhook"
    assert genuine(f"{receiver.url}/twilio_webhook", call)
    assert call.form["Body"] == body
    assert {call.form[name] for name in ("MessageSid", "SmsSid", "SmsMessageSid")} == {sid}
    assert (call.form["From"], call.form["To"]) == (PHONE, OURS)
    assert (call.form["NumMedia"], call.form["SmsStatus"]) == ("0", "received")
    assert (call.form["FromCountry"], call.form["AccountSid"]) == ("US", ACCOUNT)
    listed = client.messages.list(to=OURS, from_=PHONE)
    assert [(message.sid, message.direction, message.body) for message in listed] == [
        (sid, "inbound", body)
    ]


def test_a_picture_without_words_carries_its_media(
    simulator: Simulator, receiver: Receiver
) -> None:
    media = [{"url": f"https://example.com/{n}.png", "content_type": "image/png"} for n in range(2)]
    sid = text(simulator, "", media=media)
    form = receiver.wait(1)[0].form
    assert sid.startswith("MM")
    assert (form["Body"], form["NumMedia"]) == ("", "2")
    assert (form["MediaUrl1"], form["MediaContentType1"]) == (media[1]["url"], "image/png")
    assert phones(simulator)[0]["media"] == media


def test_nul_and_lone_surrogates_arrive_as_a_phone_network_carries_them(
    simulator: Simulator, receiver: Receiver
) -> None:
    text(simulator, "a\x00b \ud83d\udc4b \ud800 c")
    (call,) = receiver.wait(1)
    assert call.form["Body"] == "a\x00b 👋 \ufffd c"
    assert genuine(f"{receiver.url}/twilio_webhook", call)
    assert phones(simulator)[0]["body"] == call.form["Body"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"from": "12", "body": "x"},
        {"body": "x"},
        {"from": PHONE},
        {"from": PHONE, "body": "x" * 1601},
        {"from": PHONE, "body": 7},
        {"from": PHONE, "body": "x", "to": OURS},
    ],
)
def test_what_no_phone_can_send_is_refused_in_a_sentence(
    simulator: Simulator, wrong: dict[str, Any]
) -> None:
    answer = httpx.post(f"{simulator.url}/_sim/inbound", json=wrong, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert phones(simulator) == []


def test_a_failing_webhook_is_retried_until_it_is_accepted(
    simulator: Simulator, receiver: Receiver
) -> None:
    receiver.answers = [500, 503]
    text(simulator, "hello")
    calls = receiver.wait(3)
    assert len({call.headers["i-twilio-idempotency-token"] for call in calls}) == 1
    time.sleep(0.3)
    assert len(receiver.calls) == 3


def test_a_refused_webhook_is_not_retried(simulator: Simulator, receiver: Receiver) -> None:
    receiver.answers = [403]
    text(simulator, "hello")
    receiver.wait(1)
    time.sleep(0.3)
    assert len(receiver.calls) == 1


@pytest.mark.parametrize(
    ("overrides", "answers", "calls"),
    [
        ("rc=2&rp=all", [503, 403, 200], 3),
        ("rc=2&rp=5xx", [503, 403, 200], 2),
        ("rc=1&rp=ct,5xx", [503, 503, 200], 2),
        ("rc=2", [503, 200], 1),
    ],
)
def test_a_webhook_is_tried_again_after_what_its_url_names(
    tmp_path: Path, overrides: str, answers: list[int], calls: int
) -> None:
    with (
        Receiver(free_port()) as receiver,
        Simulator(
            "local.twilio_simulator", variables(tmp_path, f"{receiver.url}#{overrides}")
        ) as simulator,
    ):
        receiver.answers = answers
        text(simulator, "hello")
        receiver.wait(calls)
        time.sleep(0.3)
        assert len(receiver.calls) == calls


def test_a_webhook_finds_a_back_end_that_comes_back_a_moment_later(tmp_path: Path) -> None:
    port = free_port()
    given = variables(tmp_path, f"http://127.0.0.1:{port}/hook#rc=5") | {"SIM_RETRY_MS": "200"}
    with Simulator("local.twilio_simulator", given) as simulator:
        text(simulator, "hello")
        time.sleep(0.3)
        with Receiver(port) as receiver:
            (call,) = receiver.wait(1)
            # The fragment is for Twilio's eyes only: neither sent nor signed.
            assert call.path == "/hook"
            assert genuine(f"http://127.0.0.1:{port}/hook", call)


def test_a_dropped_webhook_leaves_the_text_to_be_found_by_listing(
    simulator: Simulator, client: Client, receiver: Receiver
) -> None:
    simulator.control(webhook={"drop": 1})
    sid = text(simulator, "hello")
    time.sleep(0.2)
    assert receiver.calls == []
    assert [message.sid for message in client.messages.list(to=OURS)] == [sid]
    simulator.control(webhook={"duplicate": 1})
    text(simulator, "again")
    assert len(receiver.wait(2)) == 2


# Keywords


@pytest.mark.parametrize(
    "word",
    ["STOP", " stop\n", "StopAll", "UNSUBSCRIBE", "cancel", "END", "quit", "REVOKE", "optout"],
)
def test_stop_in_any_form_is_answered_by_twilio_and_blocks_sending(
    simulator: Simulator, client: Client, receiver: Receiver, word: str
) -> None:
    text(simulator, word)
    (answer,) = (message for message in phones(simulator) if message["auto"])
    assert "unsubscribed" in answer["body"]
    assert (answer["direction"], answer["to"]) == ("outbound", PHONE)
    with pytest.raises(TwilioRestException) as refusal:
        send(client)
    assert (refusal.value.status, refusal.value.code) == (400, 21610)
    assert send(client, to="+12125550199").status == "queued"
    assert receiver.wait(1)[0].form["Body"] == word
    # Twilio's own answers are not the account's messages.
    assert {message.sid for message in client.messages.list(to=PHONE)} == set()
    text(simulator, word)
    assert sum(message["auto"] for message in phones(simulator)) == 1


@pytest.mark.parametrize("word", ["START", "unstop", "Yes"])
def test_start_opens_an_opted_out_number_again(
    simulator: Simulator, client: Client, word: str
) -> None:
    text(simulator, word)
    assert not any(message["auto"] for message in phones(simulator))
    text(simulator, "STOP")
    text(simulator, word)
    assert "re-subscribed" in phones(simulator)[-1]["body"]
    assert send(client).status == "queued"


def test_help_is_answered_and_longer_texts_are_not_keywords(simulator: Simulator) -> None:
    text(simulator, "please stop")
    text(simulator, "info")
    automatic = [message["body"] for message in phones(simulator) if message["auto"]]
    assert automatic == ["Reply STOP to unsubscribe. Msg&Data Rates May Apply."]


def test_without_its_keywords_twilio_neither_answers_nor_blocks(
    tmp_path: Path, receiver: Receiver
) -> None:
    given = variables(tmp_path, receiver.url) | {"TWILIO_HANDLES_KEYWORDS": "false"}
    with Simulator("local.twilio_simulator", given) as simulator:
        text(simulator, "STOP")
        text(simulator, "HELP")
        assert [message["auto"] for message in phones(simulator)] == [False, False]
        assert send(client_of(simulator)).status == "queued"
        assert len(receiver.wait(2)) == 2


# Watching


def seq_of(simulator: Simulator) -> int:
    return int(httpx.get(f"{simulator.url}/_sim/messages", trust_env=False).json()["seq"])


def test_the_stream_tells_every_change_once_and_in_order(
    simulator: Simulator, client: Client
) -> None:
    seen: list[dict[str, Any]] = []
    start = seq_of(simulator)
    connected = threading.Event()

    def watch() -> None:
        url = f"{simulator.url}/_sim/stream"
        with httpx.stream("GET", url, timeout=20, trust_env=False) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                connected.set()
                if line.startswith("data: "):
                    seen.append(json.loads(line.removeprefix("data: ")))
                if len(seen) == 61:
                    return

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert connected.wait(10)
    text(simulator, "hi")
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda n: send(client, f"{n}"), range(20)))
    watcher.join(20)
    assert [change["seq"] for change in seen] == list(range(start + 1, start + 62))
    for body in map(str, range(20)):
        statuses = [change["status"] for change in seen if change["body"] == body]
        assert statuses == ["queued", "sent", "delivered"]


def test_a_stream_resumed_by_its_last_id_misses_nothing(
    simulator: Simulator, client: Client
) -> None:
    created = seq_of(simulator) + 1
    wait_for_status(client, send(client).sid, "delivered")
    for query, headers in ((f"?after={created}", {}), ("", {"Last-Event-ID": f"{created}"})):
        statuses = []
        url = f"{simulator.url}/_sim/stream{query}"
        with httpx.stream("GET", url, headers=headers, trust_env=False) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    statuses.append(json.loads(line.removeprefix("data: "))["status"])
                if len(statuses) == 2:
                    break
        assert statuses == ["sent", "delivered"]


def test_messages_after_a_seq_are_those_that_changed_since(
    simulator: Simulator, client: Client
) -> None:
    wait_for_status(client, send(client, "first").sid, "delivered")
    seq = seq_of(simulator)
    assert phones(simulator, after=seq) == []
    text(simulator, "second", "+12125550177")
    assert [message["body"] for message in phones(simulator, after=seq)] == ["second"]
    assert [message["body"] for message in phones(simulator, number=PHONE)] == ["first"]
    url = f"{simulator.url}/_sim/messages?limit=1"
    limited = httpx.get(url, trust_env=False).json()
    assert (limited["messages"][0]["body"], limited["seq"]) == ("first", seq)


def test_everything_survives_kill_9_and_goes_on_where_it_was(
    tmp_path: Path, receiver: Receiver
) -> None:
    given = variables(tmp_path, receiver.url) | {"SIM_DELIVERY_MS": "2000"}
    simulator = Simulator("local.twilio_simulator", given)
    simulator.start()
    text(simulator, "STOP", "+12125550155")
    sid = send(client_of(simulator), status_callback=f"{receiver.url}/s").sid
    receiver.wait(2)
    simulator.stop(signal.SIGKILL)
    given["SIM_DELIVERY_MS"] = "80"
    with simulator:
        client = client_of(simulator)
        assert wait_for_status(client, sid, "delivered").sid == sid
        with pytest.raises(TwilioRestException):
            send(client, to="+12125550155")
        assert len(phones(simulator)) == 3
        simulator.control(wipe=True)
        assert phones(simulator) == []
        assert send(client, to="+12125550155").status == "queued"


def test_a_missing_variable_is_named_at_start(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="ended at start"):
        Simulator("local.twilio_simulator", {}).start()
    assert "TWILIO_ACCOUNT_SID: Field required" in capfd.readouterr().err
