"""Writing movements of credits as any client would, and reading every balance there is."""

from __future__ import annotations

from uuid import uuid4

import psycopg

#: Takes the member, the amount and the key.
MOVEMENT = (
    "insert into credit_events"
    " (user_id, event_type, amount, reference_type, reference_id, idempotency_key)"
    " values (%s, 'test', %s, 'test', '00000000-0000-0000-0000-000000000007', %s)"
)
#: One more row of values behind it.
ROW = MOVEMENT.partition(" values ")[2]

#: Of each of these members: the cache, the view, the innovator's mirror and the ledger's sum.
BALANCES = """
    select coalesce(u.credit_balance, 0), coalesce(b.balance, 0),
        coalesce(i.credits_balance, u.credit_balance, 0),
        (select coalesce(sum(e.amount), 0) from credit_events as e where e.user_id = u.id)
    from users as u
    left join user_credit_balances as b on b.user_id = u.id
    left join innovators as i on i.user_id = u.id
    where u.id = any (%s::uuid[])
    order by u.id
"""


def write(
    connection: psycopg.Connection, user: str, amount: int, key: str, ending: str = ""
) -> int:
    """Write a movement; 1, or 0 if it was there. `ending` goes behind the statement."""
    return connection.execute((MOVEMENT + ending).encode(), (user, amount, key)).rowcount


def balances(connection: psycopg.Connection, *users: str) -> list[int]:
    """The members' balances, sorted by id; fails unless each is the same wherever one looks."""
    found = connection.execute(BALANCES, (list(users),)).fetchall()
    assert len(found) == len(users)
    for of_one in found:
        assert len(set(of_one)) == 1, of_one
    return [int(of_one[0]) for of_one in found]


def members(connection: psycopg.Connection, count: int, *, innovators: bool = True) -> list[str]:
    """New members, sorted by id, with a null balance as older rows have."""
    ids = sorted(str(uuid4()) for _ in range(count))
    connection.execute(
        "insert into users (id, phone_number, credit_balance)"
        " select n, n, null from unnest(%s::uuid[]) as n",
        (ids,),
    )
    if innovators:
        connection.execute(
            "insert into innovators (user_id, company_name) select unnest(%s::uuid[]), 'x'", (ids,)
        )
    return ids
