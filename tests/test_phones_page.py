"""The phones page: what a newcomer sees and does, and whom it refuses."""

import asyncio
import base64
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect
from psycopg.types.json import Jsonb

from local.phones.app import PhonesConfig, create_app
from local.phones.database import (
    CALLS,
    EVENTS,
    MEMBERS,
    MESSAGES,
    QUEUE,
    TASKS,
    read_members,
    read_rows,
)
from local.phones.hub import Hub, Inbox
from local.phones.media import MAX_PICTURES, Pictures
from local.phones.screenshot import keep_phones, open_page
from tests.support.browser import any_chromium, page_config, serving
from tests.support.stack import StackUnderTest

#: What is looked for is waited for as long as a reply may take on a busy machine.
REPLY_MS = 20_000
expect.set_options(timeout=REPLY_MS)
#: A port where nothing listens.
NOWHERE = "http://127.0.0.1:9"
NOTHING_RUNS = PhonesConfig(
    database_url="postgresql://nobody@127.0.0.1:9/none",
    twilio_url=NOWHERE,
    claude_url=NOWHERE,
    twilio_simulated=True,
    claude_simulated=True,
    number="+15005550006",
    clock_url=f"{NOWHERE}/clock",
    schedules={"event_sweeper": f"{NOWHERE}/schedules/event_sweeper"},
    twilio_control=f"{NOWHERE}/_sim/control",
    claude_control=None,
)
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
TEXT = {"from": "+12125550100", "body": "hello"}


@pytest.fixture(scope="module")
def lonely() -> Iterator[str]:
    """The page's server while every other part is away."""
    with serving(create_app(NOTHING_RUNS)) as url:
        yield url


@pytest.fixture(scope="module")
def phones(stack: StackUnderTest) -> Iterator[str]:
    """The page of the shared stack, which runs headless."""
    with serving(create_app(page_config(stack))) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with any_chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, phones: str) -> Iterator[Page]:
    """A window with no phones kept; a script error in it fails the test."""
    opened = open_page(browser, phones)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(error.message))
    yield opened
    opened.context.close()
    assert errors == []


_taken = iter(range(100, 200))


def new_phone(page: Page) -> Locator:
    """A phone that never texted, alone on the page."""
    number = f"+19175550{next(_taken)}"
    keep_phones(page, number)
    return page.locator(f'[data-testid=phone][data-number="{number}"]')


def send(phone: Locator, text: str) -> None:
    composer = phone.get_by_test_id("composer")
    composer.fill(text)
    composer.press("Enter")


def bubbles(phone: Locator, direction: str) -> Locator:
    return phone.locator(f"[data-testid=bubble][data-direction={direction}]")


# Whom it refuses


def test_another_site_cannot_send_texts(lonely: str) -> None:
    answer = httpx.post(
        f"{lonely}api/phones/send", json=TEXT, headers={"Origin": "http://evil.example"}
    )
    assert (answer.status_code, answer.json()["error"]) == (
        403,
        "Requests from other sites are refused.",
    )


def test_another_port_of_this_machine_is_another_site(lonely: str) -> None:
    headers = {"Origin": "http://127.0.0.1:1"}
    assert httpx.post(f"{lonely}api/clock", json={}, headers=headers).status_code == 403


def test_a_browser_that_names_a_foreign_context_is_refused(lonely: str) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert httpx.post(f"{lonely}api/clock", json={}, headers=headers).status_code == 403


def test_a_foreign_name_for_this_machine_reads_nothing(lonely: str) -> None:
    answer = httpx.get(f"{lonely}api/state", headers={"Host": "rebound.example"})
    assert answer.status_code == 403


def test_a_form_cannot_send_texts(lonely: str) -> None:
    answer = httpx.post(f"{lonely}api/phones/send", data=TEXT)
    assert (answer.status_code, answer.json()) == (415, {"error": "Send JSON."})


def test_scripts_from_elsewhere_are_forbidden(lonely: str) -> None:
    policy = httpx.get(lonely).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


# What is wrong is one sentence


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"from": "0142", "body": "hello"}, "from"),
        ({"from": "+12125550100", "body": "x" * 1601}, "body"),
        ({"from": "+12125550100", "body": "hello", "to": "+1"}, "to"),
        ({"from": "+12125550100"}, "Write something"),
    ],
)
def test_a_text_no_phone_can_send_is_refused(
    lonely: str, payload: dict[str, Any], field: str
) -> None:
    answer = httpx.post(f"{lonely}api/phones/send", json=payload)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(field)


def test_a_part_that_is_away_is_named_not_traced(lonely: str) -> None:
    answer = httpx.post(f"{lonely}api/phones/send", json=TEXT)
    assert answer.status_code == 502
    assert answer.json()["error"] == (
        "The Twilio simulator does not answer; try again in a moment."
    )


def test_the_page_opens_while_everything_else_is_away(lonely: str) -> None:
    assert "Yachtparty" in httpx.get(lonely).text
    state = httpx.get(f"{lonely}api/state", timeout=10).json()
    assert state["health"] == {"database": False, "twilio": False, "clock": False}
    assert (state["messages"], state["rows"], state["members"]) == ([], [], [])


def test_an_unknown_schedule_is_not_run(lonely: str) -> None:
    assert httpx.post(f"{lonely}api/schedules/payroll").status_code == 404


def test_only_a_simulator_can_be_made_to_fail(lonely: str) -> None:
    answer = httpx.post(f"{lonely}api/control/claude", json={"fail": "500", "times": 1})
    assert answer.status_code == 409


def test_without_the_simulator_nobody_texts_from_the_page() -> None:
    real = replace(NOTHING_RUNS, twilio_url=None, twilio_simulated=False, twilio_control=None)
    with serving(create_app(real)) as url:
        assert httpx.post(f"{url}api/phones/send", json=TEXT).status_code == 409


# Pictures


def test_without_the_mail_simulator_nobody_mails_from_the_page(lonely: str) -> None:
    mail = {"from": "ida@fjord.test", "to": "verify+x@in.test"}
    answer = httpx.post(f"{lonely}api/phones/mail", json=mail)
    assert answer.status_code == 409
    assert answer.json()["error"] == "Mails come from real mailboxes here."
    assert httpx.post(f"{lonely}api/phones/mail", json={"from": "x"}).status_code == 422


def test_a_picture_comes_back_as_it_was_sent(lonely: str) -> None:
    added = httpx.post(
        f"{lonely}api/phones/media", content=b"\x89PNG", headers={"Content-Type": "image/png"}
    )
    assert added.status_code == 201
    shown = httpx.get(added.json()["url"])
    assert (shown.content, shown.headers["content-type"]) == (b"\x89PNG", "image/png")


def test_a_picture_that_could_run_scripts_is_refused(lonely: str) -> None:
    headers = {"Content-Type": "image/svg+xml"}
    answer = httpx.post(f"{lonely}api/phones/media", content=b"<svg/>", headers=headers)
    assert answer.status_code == 422


def test_old_pictures_give_way_to_new_ones() -> None:
    pictures = Pictures()
    ids = [pictures.add(b"x", "image/png") for _ in range(MAX_PICTURES + 1)]
    assert pictures.get(ids[0]) is None
    assert pictures.get(ids[-1]) is not None


# What is read


def test_a_slow_viewer_gets_the_newest_version_once() -> None:
    async def watch() -> dict[str, Any] | None:
        inbox = Inbox()
        for status in ("queued", "sent", "delivered"):
            inbox.put("messages", "SM1", {"sid": "SM1", "status": status})
        inbox.put("health", "twilio", value=True)
        return await inbox.take(1)

    assert asyncio.run(watch()) == {
        "messages": [{"sid": "SM1", "status": "delivered"}],
        "health": {"twilio": True},
    }


def test_rows_tell_the_state_of_their_work(database: str) -> None:
    states: dict[str, dict[str, Any] | None] = {
        "open": None,
        "running": {"lease": {"token": "t"}},
        "retry": {"attempt": 2, "retry_at": "2999-01-01T00:00:00Z"},
        "dead": {"dead": {"error": "unknown type", "at": "2026-01-01T00:00:00Z"}},
        "done": {"done": {"token": "t"}},
    }
    with psycopg.connect(database, autocommit=True) as connection:
        for state, metadata in states.items():
            connection.execute(
                "insert into events (event_type, payload, metadata, processed)"
                " values ('test', '{}', %s, %s)",
                (metadata and Jsonb(metadata), state in {"dead", "done"}),
            )
    rows = asyncio.run(_read(database, read_rows))
    assert [row["state"] for row in rows] == list(states)


def test_a_row_no_longer_among_the_newest_is_taken_away(database: str) -> None:
    async def watch() -> None:
        hub = Hub(replace(NOTHING_RUNS, database_url=database))
        async with (
            hub.watch(),
            await psycopg.AsyncConnection.connect(database, autocommit=True) as connection,
        ):
            await connection.execute(
                """
                with member as (insert into users (phone_number) values ('+1001') returning id)
                insert into message_queue (user_id, agent_id, message_data, scheduled_for)
                select id, 'bouncer', '{}', now() from member
                """
            )
            await until(lambda: [row["state"] for row in hub.picture()["rows"]] == ["queued"])
            await connection.execute(
                """
                update message_queue set status = 'sent';
                insert into message_queue (user_id, agent_id, message_data, scheduled_for, status)
                select user_id, agent_id, '{}', now() + interval '1 min', 'sent'
                from message_queue, generate_series(1, 30)
                """
            )
            await until(
                lambda: (
                    len(rows := hub.picture()["rows"]) > 1
                    and {row["state"] for row in rows} == {"sent"}
                )
            )

    asyncio.run(watch())


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(REPLY_MS / 1000):
        while not happened():
            await asyncio.sleep(0.02)


def test_however_full_the_tables_are_few_rows_are_read(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """
            insert into events (event_type, payload, processed)
            select 'test', '{}', n % 2 = 0 from generate_series(1, 400) as n;
            insert into agent_actions_log (agent_type, action_type)
            select 'bouncer', 'turn' from generate_series(1, 400);
            insert into agent_tasks (task_type, agent_type, scheduled_for, context_json)
            select 'test', 'bouncer', now(), '{}' from generate_series(1, 400)
            """
        )
    kinds = Counter(row["kind"] for row in asyncio.run(_read(database, read_rows)))
    assert set(kinds) == {"event", "call", "task"}
    assert max(kinds.values()) <= 50


def test_reading_the_pipeline_scans_no_table(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        # On small tables PostgreSQL prefers a scan; forbidden, it shows whether there was a choice.
        connection.execute("set enable_seqscan = off")
        for query in (EVENTS, CALLS, QUEUE, TASKS, MESSAGES, MEMBERS):
            plan = connection.execute(
                f"explain {query}".encode(), {"phones": [], "number": "+1"}
            ).fetchall()
            assert "Seq Scan" not in str(plan)


def test_a_member_is_opted_out_when_the_newest_conversation_is_archived(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for phone, conversations in {
            "+1001": ["archived", "active"],
            "+1002": ["active", "archived"],
            "+1003": ["archived"],
            "+1004": [],
        }.items():
            (member,) = one(
                connection.execute(
                    "insert into users (phone_number) values (%s) returning id", [phone]
                )
            )
            for age, status in enumerate(conversations):
                connection.execute(
                    "insert into conversations (user_id, phone_number, status, created_at)"
                    " values (%s, %s, %s, now() - make_interval(hours => %s))",
                    (member, phone, status, age),
                )

    async def read(connection: psycopg.AsyncConnection[Any]) -> list[dict[str, Any]]:
        return await read_members(connection, ["+1001", "+1002", "+1003", "+1004"])

    members = asyncio.run(_read(database, read))
    assert {m["phone"]: m["opted_out"] for m in members} == {
        "+1001": False,
        "+1002": False,
        "+1003": True,
        "+1004": False,
    }


async def _read(
    database: str,
    read: Callable[[psycopg.AsyncConnection[Any]], Awaitable[list[dict[str, Any]]]],
) -> list[dict[str, Any]]:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        return await read(connection)


def one(cursor: psycopg.Cursor[Any]) -> Any:
    row = cursor.fetchone()
    assert row is not None
    return row


# What a newcomer does


def test_a_text_is_answered_and_the_answer_delivered(page: Page) -> None:
    phone = new_phone(page)
    send(phone, "Hi, what is this?")
    expect(bubbles(phone, "inbound")).to_have_text(re.compile("what is this"))
    reply = bubbles(phone, "outbound").first
    expect(reply).to_contain_text(re.compile("STOP"))
    expect(reply.get_by_test_id("tick")).to_have_text("✓✓")
    expect(reply.get_by_test_id("tick")).to_have_attribute("title", "Delivered to this phone")
    expect(phone.get_by_test_id("waiting")).to_have_count(0)
    expect(phone.get_by_test_id("standing")).to_have_text("Onboarding")


def test_the_pipeline_shows_what_the_text_went_through(page: Page) -> None:
    phone = new_phone(page)
    send(phone, "Hello there")
    expect(bubbles(phone, "outbound")).to_have_count(1)
    page.get_by_test_id("whose").select_option(phone.get_attribute("data-number"))
    event = page.get_by_test_id("pipeline-event").filter(has_text="user.message.received")
    expect(event).to_contain_text("done")
    expect(page.get_by_test_id("pipeline-call").first).to_contain_text("tokens")
    expect(page.get_by_test_id("pipeline-queue").first).to_contain_text("sent")
    event.locator("summary").click()
    expect(event.locator("pre")).to_contain_text("message_id")


def test_markup_in_a_text_stays_text(page: Page) -> None:
    phone = new_phone(page)
    markup = "<img src=x onerror=\"document.title='owned'\"><b>hi</b>"
    send(phone, markup)
    bubble = bubbles(phone, "inbound")
    expect(bubble).to_contain_text(markup)
    expect(bubble.locator("img, b")).to_have_count(0)
    assert page.title() == "Yachtparty phones"


def test_the_mail_that_a_phone_is_asked_for_is_sent_from_its_card(page: Page) -> None:
    phone = new_phone(page)
    card = phone.get_by_test_id("member")
    told = ("Hi, I'm Ylva Strand, CTO at Skerry, nobody sent me", "ylva@skerry.test")
    for count, text in enumerate(told, start=1):
        expect(phone.get_by_test_id("send-mail")).to_have_count(0)
        send(phone, text)
        expect(bubbles(phone, "outbound")).to_have_count(count if count < 2 else 3)
    expect(bubbles(phone, "outbound").last).to_contain_text("verify+")
    button = card.get_by_test_id("send-mail")
    expect(button).to_have_attribute("title", re.compile("from ylva@skerry.test to verify"))
    button.click()
    expect(page.get_by_text("The simulator delivered a mail from ylva@skerry.test")).to_be_visible()
    expect(bubbles(phone, "outbound").last).to_contain_text("confirmed")
    expect(button).to_have_count(0)
    expect(card.locator(".email")).to_contain_text("verified")
    expect(phone.get_by_test_id("standing")).to_have_text("In review")


def test_stop_is_answered_by_twilio_itself(page: Page) -> None:
    phone = new_phone(page)
    send(phone, "Hello")
    expect(bubbles(phone, "outbound")).to_have_count(1)
    send(phone, "STOP")
    expect(phone.get_by_text("Answered by Twilio")).to_be_visible(timeout=REPLY_MS)
    expect(phone.get_by_test_id("standing")).to_have_text("Opted out")


def test_shift_enter_makes_a_line_and_enter_sends_it(page: Page) -> None:
    phone = new_phone(page)
    composer = phone.get_by_test_id("composer")
    composer.press_sequentially("one")
    composer.press("Shift+Enter")
    composer.press_sequentially("two")
    composer.press("Enter")
    expect(bubbles(phone, "inbound").locator("p")).to_have_text("one\ntwo", use_inner_text=True)
    expect(composer).to_have_value("")


def test_a_picture_can_be_texted(page: Page) -> None:
    phone = new_phone(page)
    picture = FilePayload(name="dot.png", mimeType="image/png", buffer=DOT)
    phone.get_by_test_id("attach").set_input_files(picture)
    phone.get_by_test_id("send").click()
    expect(bubbles(phone, "inbound").get_by_alt_text("Attached picture")).to_be_visible()


def test_phones_are_remembered_and_texts_come_back(page: Page) -> None:
    phone = new_phone(page)
    send(phone, "Hello again")
    expect(bubbles(phone, "outbound")).to_have_count(1)
    page.reload()
    expect(bubbles(phone, "inbound")).to_have_text(re.compile("Hello again"))


def test_a_phone_of_any_number_can_be_added_and_put_away(page: Page) -> None:
    new_phone(page)
    page.get_by_test_id("add-number").fill("+44 20 7946 0123")
    page.get_by_test_id("add-given").click()
    added = page.locator('[data-testid=phone][data-number="+442079460123"]')
    expect(added).to_be_visible()
    added.get_by_role("button", name="Put away").click()
    expect(added).to_have_count(0)
    page.get_by_test_id("add-number").fill("12")
    page.get_by_test_id("add-given").click()
    expect(page.get_by_role("alert").first).to_contain_text("country code")


def test_a_phone_made_up_has_a_number_nobody_owns(page: Page) -> None:
    new_phone(page)
    page.get_by_test_id("add-phone").click()
    number = page.get_by_test_id("phone").last.get_attribute("data-number")
    assert re.fullmatch(r"\+1\d{3}55501\d\d", number or "")


def test_a_failure_asked_for_is_shown_until_it_happened(page: Page) -> None:
    phone = new_phone(page)
    page.get_by_test_id("controls").click()
    twilio = page.get_by_test_id("fault-twilio")
    twilio.get_by_label("How Twilio fails").select_option("undelivered")
    twilio.get_by_role("button", name="Fail").click()
    expect(twilio).to_contain_text("Next 1: accepted, not delivered")
    page.keyboard.press("Escape")
    send(phone, "Hello")
    tick = bubbles(phone, "outbound").get_by_test_id("tick")
    expect(tick).to_have_text("!")
    expect(tick).to_have_attribute("title", re.compile("Not delivered"))


def test_it_says_that_it_reconnects_and_does(browser: Browser, stack: StackUnderTest) -> None:
    config = page_config(stack)
    with serving(create_app(config)) as url:
        page = open_page(browser, url)
    connection = page.get_by_test_id("connection")
    expect(connection).to_have_text("Reconnecting…")
    with serving(create_app(config), port=int(url.rstrip("/").rpartition(":")[2])):
        expect(connection).to_have_text("Live")
    page.context.close()


def test_it_names_what_is_away(browser: Browser, lonely: str) -> None:
    page = browser.new_page()
    page.goto(lonely)
    expect(page.get_by_test_id("connection")).to_contain_text("Reconnecting to the database")
    expect(page.get_by_test_id("badge-claude")).to_have_text("Claude: simulator")
    page.close()
