"""What belongs to whom in the database: to prove that nobody else's rows were touched."""

from typing import Any

from tests.support.stack import StackUnderTest

Rows = dict[tuple[str, str], dict[str, Any]]

#: Columns that say whose a row is.
_OWNERS = ("user_id", "aggregate_id", "requesting_user_id", "connector_user_id")

#: What receipts change, which come when they come.
_RECEIVED = {"messages": ("status", "sent_at", "delivered_at")}


def rows_of_others(stack: StackUnderTest, member_id: object) -> Rows:
    """Every row of every table that is not this member's, by table and id.

    Ticks of the clock, receipts and the reviews of everybody's list, which come all the same, are
    left out.
    """
    found: Rows = {}
    with stack.connect() as connection:
        tables = connection.execute(
            "select tablename as name from pg_tables where schemaname = 'public' order by 1"
        ).fetchall()
        for table in tables:
            rows = connection.execute(
                f'select to_jsonb(t) as row from public."{table["name"]}" as t'.encode()  # noqa: S608
            ).fetchall()
            for row in (r["row"] | dict.fromkeys(_RECEIVED.get(table["name"], ())) for r in rows):
                if not _is_of(table["name"], row, str(member_id)) and not _comes_anyway(row):
                    found[table["name"], str(row.get("id"))] = row
    return found


def _is_of(table: str, row: dict[str, Any], member_id: str) -> bool:
    if table == "users":
        return bool(row["id"] == member_id)
    return member_id in [row.get(column) for column in _OWNERS]


def _comes_anyway(row: dict[str, Any]) -> bool:
    return (
        row.get("event_type") == "message.delivery_updated"
        or row.get("created_by") == "cloud_scheduler"
        or row.get("task_type") == "account_manager_review"
    )
