"""Dead letters: events and tasks that were given up, listed, looked at, and replayed."""

import getpass
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from lib.adapters import pubsub
from lib.adapters.supabase import Database
from lib.console.disclosure import disclosed, disclosed_error
from lib.console.table import moment, table
from lib.core.model import JSON

#: protocol.md, 4: no call takes more.
_PAGE = 200

_NOT_DEAD = {
    "open": "is still open: nothing was changed.",
    "done": "is done: nothing was changed.",
    "unknown": "is no event and no task.",
}


@dataclass(frozen=True)
class Said:
    """One sentence about one id, and whether what was asked for was done."""

    sentence: str
    is_done: bool


@dataclass(frozen=True)
class DeadLetters:
    """Those of one database. `now` is the time where it is not the database's own."""

    database: Database
    now: datetime | None = None

    def find(
        self, type_: str | None, since: datetime | None, limit: int
    ) -> tuple[list[JSON], bool]:
        """The newest ones, of one type and due since then if given; and whether there are more."""
        letters: list[JSON] = []
        after: JSON | None = {}
        while after is not None and len(letters) <= limit:
            answer = self.database.call(
                "list_dead_letters",
                type=type_,
                since=since,
                before=after.get("due_at"),
                before_id=after.get("id"),
                limit=min(_PAGE, limit + 1 - len(letters)),
            )
            letters += answer["letters"]
            after = answer["next"]
        return letters[:limit], len(letters) > limit

    def show(self, id_: UUID) -> Said:
        """One of them whole, but for what people wrote."""
        answer = self.database.call("show_dead_letter", id=id_)
        if answer["outcome"] != "dead":
            return _not_dead(id_, answer)
        return Said(
            json.dumps({"kind": answer["kind"], **disclosed(answer["row"])}, indent=2), True
        )

    def replay(self, ids: list[UUID]) -> Iterator[Said]:
        """Open them again, one after the other; wakes the processor also when one call fails."""
        by = getpass.getuser()
        events: list[str] = []
        try:
            for id_ in ids:
                answer = self.database.call(
                    "replay_dead_letter", id=id_, by=by, token=uuid4(), now=self.now
                )
                if answer["outcome"] != "replayed":
                    yield _not_dead(id_, answer)
                    continue
                if answer["kind"] == "event":
                    events.append(str(id_))
                yield Said(f"{id_} is open again.", True)
        finally:
            pubsub.publish(events)


def as_table(letters: list[JSON]) -> str:
    """Dead letters as a table."""
    rows = [
        [
            letter["id"],
            letter["kind"],
            letter["type"],
            moment(letter["due_at"]),
            moment(letter["died_at"]),
            letter["attempts"],
            letter["user_id"],
            disclosed_error(letter["error"]) if letter["error"] else None,
        ]
        for letter in letters
    ]
    headings = ["id", "kind", "type", "due", "given up", "attempts", "member", "error"]
    return table(headings, rows)


def _not_dead(id_: UUID, answer: JSON) -> Said:
    kind = f"The {answer['kind']} " if "kind" in answer else ""
    return Said(f"{kind}{id_} {_NOT_DEAD[answer['outcome']]}", False)
