"""What the database says to a mail whose sender and token are genuine."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.rpc import Rpc
from tests.support.sessions import Sessions

EMAIL = "ida@fjord.test"


def proof(rpc: Rpc, user_id: UUID, **fields: Any) -> dict[str, str]:
    said = {
        "event_id": uuid4(),
        "user_id": user_id,
        "email": EMAIL,
        "token_id": uuid4(),
        "expires_at": rpc.now + timedelta(hours=72),
    }
    return {name: str(value) for name, value in (said | fields).items()}


def recorded(rpc: Rpc, user_id: UUID) -> list[dict[str, Any]]:
    return rpc.rows(
        "select * from events where aggregate_id = %s and event_type = 'user.email_verified'",
        user_id,
    )


def test_a_proof_becomes_one_event_with_the_address_and_the_tokens_id(rpc: Rpc) -> None:
    member = rpc.member(email=EMAIL)
    said = proof(rpc, member)
    answer = rpc.call("record_email_verified", proof=said)
    assert answer == {"outcome": "recorded", "event_id": said["event_id"]}
    (event,) = recorded(rpc, member)
    assert event["payload"] == {"email": EMAIL, "token_id": said["token_id"]}
    assert (event["created_by"], event["aggregate_type"]) == ("email_webhook", "user")
    assert event["processed"] is False


def test_the_same_mail_again_is_the_same_event(rpc: Rpc) -> None:
    member = rpc.member(email=EMAIL)
    said = proof(rpc, member)
    rpc.call("record_email_verified", proof=said)
    again = rpc.call("record_email_verified", proof=said)
    assert again == {"outcome": "duplicate", "event_id": said["event_id"]}
    rpc.rows("update events set processed = true where id = %s returning id", said["event_id"])
    once_more = rpc.call("record_email_verified", proof=said)
    assert once_more == {"outcome": "duplicate", "event_id": None}
    assert len(recorded(rpc, member)) == 1


def test_a_token_counts_until_its_end_and_not_at_it(rpc: Rpc) -> None:
    member = rpc.member(email=EMAIL)
    over = proof(rpc, member, expires_at=rpc.now)
    assert rpc.call("record_email_verified", proof=over)["outcome"] == "refused"
    good = proof(rpc, member, expires_at=rpc.now + timedelta(seconds=1))
    assert rpc.call("record_email_verified", proof=good)["outcome"] == "recorded"


def test_a_token_verifies_once_also_after_the_address_was_changed_and_changed_back(
    rpc: Rpc,
) -> None:
    member = rpc.member(email=EMAIL)
    said = proof(rpc, member)
    rpc.call("record_email_verified", proof=said)
    again = said | {"event_id": str(uuid4())}
    answer = rpc.call("record_email_verified", proof=again)
    assert answer == {"outcome": "refused", "event_id": None}
    assert len(recorded(rpc, member)) == 1


@pytest.mark.parametrize(
    "columns",
    [{"email": "ida@sea.test"}, {"email": None}, {"email": EMAIL, "email_verified": True}],
    ids=["another address", "no address", "a proved address"],
)
def test_a_proof_of_what_is_not_the_members_open_address_changes_nothing(
    rpc: Rpc, columns: dict[str, Any]
) -> None:
    member = rpc.member(**columns)
    answer = rpc.call("record_email_verified", proof=proof(rpc, member))
    assert answer == {"outcome": "refused", "event_id": None}
    assert recorded(rpc, member) == []


def test_a_proof_waits_for_whoever_works_for_the_member_and_then_reads_the_address(
    sessions: Sessions,
) -> None:
    agent, webhook = sessions.open(), sessions.open()
    member = agent.member(email=EMAIL)
    with agent.connection.transaction():
        agent.rows("select lock_member(%s)", member)
        waiting = sessions.waits(
            webhook,
            lambda: webhook.call("record_email_verified", proof=proof(webhook, member)),
        )
        agent.rows("update users set email = 'ida@sea.test' where id = %s returning id", member)
    assert waiting.result() == {"outcome": "refused", "event_id": None}
    assert recorded(webhook, member) == []


def test_nobodys_proof_changes_nothing(rpc: Rpc) -> None:
    answer = rpc.call("record_email_verified", proof=proof(rpc, uuid4()))
    assert answer == {"outcome": "refused", "event_id": None}


def test_an_address_is_the_members_however_its_letters_were_stored(rpc: Rpc) -> None:
    member = rpc.member(email="Ida@Fjord.test")
    assert rpc.call("record_email_verified", proof=proof(rpc, member))["outcome"] == "recorded"
