"""What operators do to members: repeated, at once, and page by page."""

from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from tests.support.rpc import Rpc
from tests.support.sessions import Sessions

PHONE = "+12125550142"


def approve(rpc: Rpc, token: UUID, event: UUID) -> dict[str, object]:
    return rpc.call("approve_member", phone=PHONE, by="kim", token=token, event_id=event)


def test_a_repeated_call_answers_as_the_first_one_and_does_nothing_more(rpc: Rpc) -> None:
    rpc.text(PHONE)
    token, event = uuid4(), uuid4()
    first = approve(rpc, token, event)
    assert first["outcome"] == "approved"
    assert approve(rpc, token, event) == first
    assert approve(rpc, uuid4(), uuid4())["outcome"] == "already"
    (verified,) = rpc.rows("select * from events where event_type = 'user.verified'")
    assert verified["id"] == event
    assert verified["payload"] == {"approved_by": "kim", "poc_agent_type": "concierge"}
    for command, more in {
        "suspend_member": {},
        "say_to_member": {"event_id": uuid4(), "text": "Hi."},
    }.items():
        token = uuid4()
        answers = [rpc.call(command, phone=PHONE, by="kim", token=token, **more) for _ in range(2)]
        assert answers[0] == answers[1]
    assert len(rpc.rows("select 1 from agent_actions_log where agent_type = 'operator'")) == 3
    assert len(rpc.rows("select 1 from events where created_by = 'operator'")) == 2


def test_the_tier_of_before_comes_back_also_after_rejection_and_suspension_in_turn(
    rpc: Rpc,
) -> None:
    rpc.text(PHONE)
    rpc.rows("update users set status_level = 'gold' returning id")
    commands: dict[str, dict[str, object]] = {
        "reject_member": {"event_id": uuid4(), "text": "No."},
        "suspend_member": {},
    }
    for command, words in commands.items():
        rpc.call(command, phone=PHONE, by="kim", token=uuid4(), **words)
        (member,) = rpc.rows("select verified, status_level from users")
        assert member["verified"] is False
        assert member["status_level"] in ("rejected", "suspended")
        rpc.pass_time(minutes=1)
        assert approve(rpc, uuid4(), uuid4())["outcome"] == "approved"
        (member,) = rpc.rows("select verified, status_level from users")
        assert member == {"verified": True, "status_level": "gold"}


def test_of_two_operators_at_once_one_approves(sessions: Sessions) -> None:
    first, second = sessions.open(), sessions.open()
    first.text(PHONE)
    with first.connection.transaction():
        assert approve(first, uuid4(), uuid4())["outcome"] == "approved"
        waiting = sessions.waits(second, lambda: approve(second, uuid4(), uuid4()))
    assert waiting.result(10)["outcome"] == "already"


def test_who_waits_is_listed_once_the_longest_first_over_any_number_of_pages(rpc: Rpc) -> None:
    numbers = [f"+1212555{n:04}" for n in range(5)]
    for number in numbers:
        user_id = rpc.text(number)["user_id"]
        for _ in range(2):
            rpc.rows(
                "insert into events (event_type, aggregate_type, aggregate_id, payload, processed,"
                " created_at) values ('user.onboarding_completed', 'user', %s, %s, true, %s)"
                " returning id",
                user_id,
                Jsonb({}),
                rpc.now,
            )
            rpc.pass_time(seconds=1)
    rpc.text("+12125559999")  # has only said hello
    rpc.rows("update users set verified = true where phone_number = %s returning id", numbers[1])
    rpc.rows(
        "update users set status_level = 'rejected' where phone_number = %s returning id",
        numbers[3],
    )
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = rpc.call(
            "list_waiting", after=after.get("completed_at"), after_id=after.get("id"), limit=2
        )
        seen += [member["phone_number"] for member in page["members"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == [numbers[0], numbers[2], numbers[4]]


def test_what_operators_did_outlives_the_other_logs(rpc: Rpc) -> None:
    rpc.text(PHONE)
    approve(rpc, uuid4(), uuid4())
    rpc.rows(
        "insert into agent_actions_log (agent_type, action_type, created_at)"
        " values ('concierge', 'answer', %s), ('zeta', 'answer', %s) returning id",
        rpc.now,
        rpc.now,
    )
    rpc.pass_time(days=800)
    assert rpc.call("prune")["logs"] == 2
    (kept,) = rpc.rows("select * from agent_actions_log")
    assert (kept["agent_type"], kept["action_type"]) == ("operator", "approve")
