"""Held texts: what is queued and does not simply wait for its time, why, and until when."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lib.adapters.supabase import Database
from lib.console.disclosure import disclosed_key
from lib.console.table import moment, table
from lib.core.model import JSON

#: protocol.md, 4: no call takes more.
_PAGE = 200

#: As sql/functions/list_held_texts.sql explains them.
STATES = ("held", "fresh", "again", "in_flight", "stuck")


@dataclass(frozen=True)
class HeldTexts:
    """Those of one database. `now` is the time where it is not the database's own."""

    database: Database
    now: datetime | None = None

    def find(self, user_id: UUID | None, state: str | None, limit: int) -> tuple[list[JSON], bool]:
        """Those of one member and in one state if given, the next to leave first; and whether
        there are more."""
        texts: list[JSON] = []
        after: JSON | None = {}
        while after is not None and len(texts) <= limit:
            answer = self.database.call(
                "list_held_texts",
                user_id=user_id,
                state=state,
                after=after.get("due_at"),
                after_id=after.get("id"),
                limit=min(_PAGE, limit + 1 - len(texts)),
                now=self.now,
            )
            texts += answer["texts"]
            after = answer["next"]
        return texts[:limit], len(texts) > limit


def as_table(texts: list[JSON]) -> str:
    """Held texts as a table. `local` is the time of `until` where the member lives."""
    rows = [
        [
            text["id"],
            text["state"],
            disclosed_key(text["why"]),
            moment(text["until"]),
            text["local"] and f"{text['local']} {text['zone']}",
            moment(text["due"]),
            text["kind"],
            text["priority"],
            disclosed_key(text["topic"]),
            text["user_id"],
        ]
        for text in texts
    ]
    headings = ["id", "state", "why", "until", "local", "due", "kind", "priority", "topic"]
    return table([*headings, "member"], rows)
