"""Erasing and exporting a person: every column of every table is filled with them, and searched."""
# ruff: noqa: S608, E501 - names of tables and columns come from the catalog

from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.support.rpc import Rpc
from tests.support.sessions import Sessions

PHONE, OTHER = "+12125550142", "+12125550143"
WORDS = "Our renewal with Zephyrine ends in May and nobody answers"
SECRETS = [
    "+12125550142",
    "12125550142",
    "(212) 555-0142",
    "212.555.0142",
    "jane.O'Neil@zephyrine.test",
    "Jane O'Neil",
    "linkedin.com/in/jane-oneil",
]
#: Spellings that must be found nowhere, in lower case.
LOOKED_FOR = [secret.lower() for secret in SECRETS] + ["zephyrine", "o'neil", "renewal with"]
#: What others wrote: the name, in another case, and how to reach her.
QUOTE = "ask JANE  O'neil, Jane.o'neil@Zephyrine.TEST or 1 (212) 555 0142, at http://LinkedIn.com/in/jane-oneil"
#: Columns that are our own words or ids, whoever the row is about.
OURS = {
    "status", "priority", "role", "direction", "event_type", "task_type", "agent_type", "aggregate_type",
    "context_type", "created_by", "item_type", "action_type", "model_used", "prompt_version", "agent_id",
    "poc_agent_id", "poc_agent_type", "status_level", "timezone", "current_step", "desired_outcome",
    "urgency", "requesting_agent_type", "reference_type", "idempotency_key", "twilio_message_sid",
}  # fmt: skip
OWNERS = {
    "conversations": "user_id", "messages": "user_id", "events": "aggregate_id", "agent_tasks": "user_id",
    "message_queue": "user_id", "user_priorities": "user_id", "solution_workflows": "user_id",
    "intro_opportunities": "connector_user_id", "community_requests": "requesting_user_id",
    "community_responses": "user_id", "innovators": "user_id", "agent_instances": "user_id",
    "agent_actions_log": "user_id", "prospects": "converted_to_user_id",
    "linkedin_research_prospects": None,
}  # fmt: skip


def columns(rpc: Rpc) -> list[dict[str, Any]]:
    return rpc.rows(
        "select c.table_name, c.column_name, c.udt_name from information_schema.columns as c"
        " inner join information_schema.tables as t using (table_schema, table_name)"
        " where c.table_schema = 'public' and t.table_type = 'BASE TABLE'"
    )


def fill(rpc: Rpc, table: str, words: str, **values: Any) -> UUID:
    """A row of a table with these words in every column that can hold them."""
    row: dict[str, Any] = {"id": uuid4()}
    for column in columns(rpc):
        name = column["column_name"]
        if column["table_name"] != table or name in OURS:
            continue
        match column["udt_name"]:
            case "varchar" | "text":
                row[name] = words[:100] if name == "request_summary" else words
            case "_text":
                row[name] = [words]
            case "jsonb":
                row[name] = Jsonb({"a": [words, {words: 1}]})
    fixed: dict[str, dict[str, Any]] = {
        "messages": {"role": "user", "direction": "inbound"},
        "events": {"event_type": "test", "aggregate_type": "user", "processed": True},
        "agent_tasks": {"task_type": "test", "agent_type": "test", "scheduled_for": rpc.now},
        "message_queue": {"agent_id": "concierge", "scheduled_for": rpc.now, "status": "sent"},
        "user_priorities": {"priority_rank": 1, "item_type": "test", "item_id": uuid4()},
        "solution_workflows": {"current_step": "test"},
        "community_requests": {"requesting_agent_type": "concierge"},
        "agent_instances": {"agent_type": "concierge"},
        "agent_actions_log": {"agent_type": "concierge", "action_type": "answer"},
    }
    row |= fixed.get(table, {}) | values
    rpc.rows(
        f"insert into {table} ({', '.join(row)}) values ({', '.join(['%s'] * len(row))}) returning id",
        *row.values(),
    )
    return UUID(str(row["id"]))


def fill_all(rpc: Rpc, user_id: str, words: str) -> None:
    """A row in every table, of this member."""
    conversation = fill(rpc, "conversations", words, user_id=user_id, status="archived")
    request = fill(rpc, "community_requests", words, requesting_user_id=user_id)
    innovator = fill(rpc, "innovators", words, user_id=user_id)
    more: dict[str, dict[str, Any]] = {
        "messages": {"conversation_id": conversation},
        "community_responses": {"request_id": request},
        "intro_opportunities": {"innovator_id": innovator},
        "prospects": {"innovator_id": innovator},
    }
    for table, owner in OWNERS.items():
        if table == "linkedin_research_prospects" and words is WORDS:
            fill(rpc, table, words, email=SECRETS[4].upper())
        elif table not in ("conversations", "community_requests", "innovators"):
            named = {owner: user_id} if owner else {}
            fill(rpc, table, words, **named, **more.get(table, {}))


def places(rpc: Rpc, *looked_for: str) -> set[tuple[str, str]]:
    """Every column of every table in which one of these stands, in any case."""
    found = set()
    for column in columns(rpc):
        table, name = column["table_name"], column["column_name"]
        for row in rpc.rows(f"select {name}::text as value from {table}"):
            value = (row["value"] or "").casefold()
            # As JSON and arrays write them.
            if any(w in value or w.replace("'", "''") in value for w in looked_for):
                found.add((table, name))
    return found


@pytest.fixture
def jane(rpc: Rpc) -> str:
    """Somebody of whom every table knows something."""
    user_id: str = rpc.text(PHONE, WORDS)["user_id"]
    rpc.rows(
        "update users set first_name = 'Jane', last_name = 'O''Neil', email = %s, company = %s,"
        " title = %s, linkedin_url = %s, expertise = array[%s], response_pattern = %s,"
        " name_dropped = %s where id = %s returning id",
        SECRETS[4], "Zephyrine", "CFO of Zephyrine", "https://www.linkedin.com/in/jane-oneil",
        "zephyrine", Jsonb({"note": WORDS}), SECRETS[5], user_id,
    )  # fmt: skip
    for secret in (WORDS, *SECRETS):
        if secret is WORDS:
            fill_all(rpc, user_id, secret)
        else:
            fill(rpc, "events", secret, aggregate_id=user_id)
    return user_id


def erase(rpc: Rpc, **arguments: Any) -> dict[str, Any]:
    given = {"phone": PHONE, "by": "kim", "token": uuid4(), "national": "2125550142"} | arguments
    return rpc.call("erase_member", **given)


def test_nothing_of_a_person_is_left_in_any_column(rpc: Rpc, jane: str) -> None:
    other = rpc.text(OTHER, f"{QUOTE} please")["user_id"]
    fill_all(rpc, other, QUOTE)
    rpc.rows("update users set name_dropped = %s where id = %s returning id", SECRETS[5], other)
    before = places(rpc, *LOOKED_FOR)
    # The search finds what is there: every column that can hold words.
    assert {t for t, _ in before} >= {"users", *OWNERS} - {"user_priorities"}
    assert ("messages", "content") in before
    assert erase(rpc)["outcome"] == "erased"
    assert places(rpc, *LOOKED_FOR) == set()
    (member,) = rpc.rows("select * from users where id = %s", jane)
    assert member["phone_number"] == f"erased:{jane}"


def test_the_ledger_is_kept_and_adds_up(rpc: Rpc, jane: str) -> None:
    rpc.rows(
        "insert into credit_events (user_id, event_type, amount, reference_type, reference_id,"
        " idempotency_key) values (%s, 'test', 40, 'test', %s, 'k') returning id",
        jane,
        uuid4(),
    )
    before = rpc.rows("select * from credit_events")
    erase(rpc)
    assert rpc.rows("select * from credit_events") == before
    (sums,) = rpc.rows(
        "select u.credit_balance, b.balance, i.credits_balance from users as u"
        " inner join user_credit_balances as b on b.user_id = u.id"
        " inner join innovators as i on i.user_id = u.id where u.id = %s",
        jane,
    )
    assert set(sums.values()) == {40}


def test_what_others_say_is_left_but_for_her(rpc: Rpc, jane: str) -> None:
    other = rpc.text(OTHER, "Jane O'Neil sent me, I am Ann O'Neil of Quantel")["user_id"]
    rpc.text(OTHER, "Mary Jane O'Neill and joan@zephyrine.example, 2125550142999")
    erase(rpc)
    said = rpc.rows("select content from messages where user_id = %s order by created_at", other)
    assert [row["content"] for row in said] == [
        "(erased) sent me, I am Ann O'Neil of Quantel",
        "Mary Jane O'Neill and joan@zephyrine.example, 2125550142999",
    ]
    assert jane


def test_a_namesake_keeps_the_name(rpc: Rpc, jane: str) -> None:
    other = rpc.text(OTHER, "I'm Jane O'Neil, not the one of +1 212 555 0142")["user_id"]
    rpc.rows(
        "update users set first_name = 'jane', last_name = 'O''NEIL' where id = %s returning id",
        other,
    )
    erase(rpc)
    (said,) = rpc.rows("select content from messages where user_id = %s", other)
    assert said["content"] == "I'm Jane O'Neil, not the one of (erased)"
    (member,) = rpc.rows("select first_name from users where id = %s", other)
    assert (member["first_name"], bool(jane)) == ("jane", True)


def test_erasing_twice_is_no_error_and_a_repeated_call_answers_the_same(
    rpc: Rpc, jane: str
) -> None:
    token = uuid4()
    first = erase(rpc, token=token)
    assert first == {"outcome": "erased", "id": jane}
    assert erase(rpc, token=token) == first
    assert erase(rpc)["outcome"] == "unknown"
    (entry,) = rpc.rows("select * from agent_actions_log where agent_type = 'operator'")
    assert (entry["action_type"], entry["input_data"]) == ("erase", {"by": "kim"})


def test_who_writes_again_is_somebody_new_but_a_text_delivered_again_is_not(rpc: Rpc) -> None:
    sid, message = f"SM{uuid4().hex}", str(uuid4())
    old = rpc.text(PHONE, WORDS, sid=sid, message_id=message)["user_id"]
    erase(rpc)
    again = rpc.text(PHONE, WORDS, sid=sid, message_id=message)
    assert (again["outcome"], again["user_id"], again["event_id"]) == ("duplicate", None, None)
    assert rpc.rows("select 1 from users where phone_number = %s", PHONE) == []
    new = rpc.text(PHONE, "hello")
    assert new["outcome"] == "recorded"
    assert new["user_id"] != old
    (conversation,) = rpc.rows("select * from conversations where user_id = %s", new["user_id"])
    assert conversation["status"] == "active"


def test_what_is_decided_for_them_or_with_their_words_is_not_committed(rpc: Rpc, jane: str) -> None:
    other = rpc.text(OTHER, "Jane O'Neil sent me")
    (own_event,) = rpc.rows(
        "select id from events where aggregate_id = %s and event_type = 'user.message.received'",
        jane,
    )
    for event in (own_event["id"], other["event_id"]):
        token = uuid4()
        claim = rpc.call("claim_event", event_id=event, token=token)
        assert claim["outcome"] == "claimed"
        if event == own_event["id"]:
            erased_token = token
    erase(rpc)
    for event, with_token in ((own_event["id"], erased_token), (other["event_id"], token)):
        work = {"events": [str(event)], "changes": [], "calls": []}
        assert rpc.call("commit_work", work=work, token=with_token)["outcome"] == "stale"
    again = rpc.call("claim_event", event_id=other["event_id"], token=uuid4())
    assert again["outcome"] == "claimed"
    assert [text["content"] for text in again["context"]["texts"]] == ["(erased) sent me"]
    assert rpc.call("claim_event", event_id=own_event["id"], token=uuid4())["outcome"] == "done"


def test_what_waits_for_them_or_quotes_them_is_not_sent(rpc: Rpc, jane: str) -> None:
    other = rpc.text(OTHER, "hello there")["user_id"]
    rpc.rows("update messages set status = 'received' returning id")
    for user_id, words in ((jane, "A text to her."), (other, f"A text about {QUOTE}")):
        fill(rpc, "message_queue", words, user_id=user_id, status="queued", message_data=Jsonb({}),
             superseded_reason=None)  # fmt: skip
    erase(rpc)
    assert rpc.call("claim_texts", token=uuid4())["sends"] == []
    ended = {
        row["status"] for row in rpc.rows("select status from message_queue where status <> 'sent'")
    }
    assert ended <= {"failed", "superseded"}


def test_what_a_connector_was_told_of_their_introductions_goes_whole(rpc: Rpc, jane: str) -> None:
    other = rpc.text(OTHER, "hello there")["user_id"]
    (innovator,) = rpc.rows("select id from innovators where user_id = %s", jane)
    opportunity = fill(
        rpc, "intro_opportunities", "Bob", connector_user_id=other, innovator_id=innovator["id"]
    )
    priority = fill(
        rpc, "user_priorities", "", user_id=other, item_type="intro_opportunity",
        item_id=opportunity, status="active",
    )  # fmt: skip
    told = fill(rpc, "message_queue", "Some vendor would like to meet Bob.", user_id=other,
                message_data=Jsonb({"items": [str(priority)]}))  # fmt: skip
    erase(rpc)
    (text,) = rpc.rows("select final_message from message_queue where id = %s", told)
    assert text["final_message"] == "(erased)"
    (item,) = rpc.rows("select status from user_priorities where id = %s", priority)
    assert item["status"] == "expired"


def test_a_text_that_comes_while_they_are_erased_is_somebody_news(sessions: Sessions) -> None:
    first, second = sessions.open(), sessions.open()
    old = first.text(PHONE, WORDS)["user_id"]
    with first.connection.transaction():
        erase(first)
        waiting = sessions.waits(second, lambda: second.text(PHONE, "are you there?"))
    assert waiting.result(10)["user_id"] != old


def test_an_export_holds_every_row_that_knows_them(rpc: Rpc, jane: str) -> None:
    other = rpc.text(OTHER, "nothing about anybody")["user_id"]
    exported = rpc.call("export_member", phone=PHONE, by="kim", token=uuid4())
    assert exported["outcome"] == "exported"
    held = {
        (table, row["id"])
        for table, rows in exported["tables"].items()
        for row in rows
        if "id" in row
    }
    tables = {column["table_name"] for column in columns(rpc)}
    stored = {
        (table, str(row["id"]))
        for table in tables
        for row in rpc.rows(
            f"select id from {table} as t where lower(t::text) ~ %s", f"{jane}|zephyrine|2125550142"
        )
    }
    recorded = {("agent_actions_log", str(row["id"])) for row in rpc.rows(
        "select id from agent_actions_log where agent_type = 'operator'")}  # fmt: skip
    assert stored - recorded <= held
    assert other not in str(exported)
    assert exported["rows"] == sum(len(rows) for rows in exported["tables"].values())
