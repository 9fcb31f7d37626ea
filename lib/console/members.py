"""Members, as operators deal with them: who waits, who is taken on, turned away, written to,
exported or erased.

Each command is one SQL function, under the member's lock, and is recorded with who gave it
(sql/functions/log_operator.sql).
"""

import getpass
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

from lib.adapters import pubsub
from lib.adapters.supabase import Database
from lib.console.dead_letters import Said
from lib.console.table import moment, table
from lib.core.ids import derived_id
from lib.core.model import JSON
from lib.domain import messaging, voice
from lib.engine import segments

#: protocol.md, 4: no call takes more.
_PAGE = 200
#: A number without a country's code is one of here, as Twilio's own console reads it.
_REGION = "US"
#: Longest text of an operator's, in characters: what one turn of an agent may say.
MAX_CHARS = voice.MAX_TEXTS * segments.MAX_CHARS

AgentType = Literal["concierge", "innovator"]


class WrongInputError(Exception):
    """What the operator gave cannot be meant; one clear sentence."""


def phone_number(given: str) -> str:
    """A phone number as `users.phone_number` has it.

    >>> phone_number(" +1 (212) 555-0142 "), phone_number("212.555.0142")
    ('+12125550142', '+12125550142')

    Raises:
        WrongInputError: there is none, or it is no phone number.
    """
    import phonenumbers

    if not given.strip():
        raise WrongInputError("PHONE is missing: whose? For example PHONE=+12125550142.")
    try:
        number = phonenumbers.parse(given, _REGION)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise WrongInputError("PHONE is no phone number. For example PHONE=+12125550142.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@dataclass(frozen=True)
class Members:
    """Those of one database. `now` is the time where it is not the database's own."""

    database: Database
    now: datetime | None = None

    def waiting(self, limit: int) -> tuple[list[JSON], bool]:
        """Who waits for approval, the longest first; and whether there are more."""
        members: list[JSON] = []
        after: JSON | None = {}
        while after is not None and len(members) <= limit:
            answer = self.database.call(
                "list_waiting",
                after=after.get("completed_at"),
                after_id=after.get("id"),
                limit=min(_PAGE, limit + 1 - len(members)),
            )
            members += answer["members"]
            after = answer["next"]
        return members[:limit], len(members) > limit

    def approve(self, phone: str, agent_type: AgentType | None) -> Said:
        """Take somebody on, or back, or give them another agent."""
        token = uuid4()
        event = derived_id(token, "event")
        answer = self.database.call(
            "approve_member",
            phone=phone,
            by=getpass.getuser(),
            token=token,
            event_id=event,
            agent_type=agent_type,
            now=self.now,
        )
        if answer["outcome"] == "unknown":
            return _unknown(phone)
        member = answer["member"]
        who = _who(member)
        if answer["outcome"] == "already":
            return Said(f"{who} is approved already, with the {_agent(member)}.", True)
        if answer["outcome"] == "no_company":
            return Said(
                f"{who} was not approved: an innovator needs a company, and theirs is not known.",
                False,
            )
        pubsub.publish([str(event)])
        ended = {"rejected": "rejected", "suspended": "suspended"}.get(answer["before"] or "")
        notes = [
            f"They are {ended} no more." if ended else "",
            f"Their onboarding was not complete: no {_list(member['missing'])}."
            if member["missing"]
            else "",
            "They have opted out, so they are not welcomed." if member["opted_out"] else "",
        ]
        return Said(" ".join([f"{who} is approved.", *filter(None, notes)]), True)

    def reject(self, phone: str) -> Said:
        """Do not take somebody on, and tell them."""
        token = uuid4()
        event = derived_id(token, "event")
        answer = self.database.call(
            "reject_member",
            phone=phone,
            by=getpass.getuser(),
            token=token,
            event_id=event,
            text=messaging.REJECTION_TEXT,
            now=self.now,
        )
        if answer["outcome"] == "unknown":
            return _unknown(phone)
        who = _who(answer["member"])
        match answer["outcome"]:
            case "rejected" if answer["member"]["opted_out"]:
                return Said(f"{who} is rejected. They have opted out, so they are not told.", True)
            case "rejected":
                pubsub.publish([str(event)])
                return Said(f"{who} is rejected. They are told {_when(answer['send_at'])}.", True)
            case "already":
                return Said(f"{who} is rejected already.", True)
            case "suspended":
                return Said(f"{who} is suspended, and so was not rejected.", False)
            case _:
                return Said(f"{who} is a member, and so was not rejected: suspend them.", False)

    def suspend(self, phone: str) -> Said:
        """Serve a member no more, until they are approved again."""
        answer = self.database.call(
            "suspend_member", phone=phone, by=getpass.getuser(), token=uuid4(), now=self.now
        )
        if answer["outcome"] == "unknown":
            return _unknown(phone)
        who = _who(answer["member"])
        match answer["outcome"]:
            case "suspended":
                texts = answer["dropped"]
                dropped = f" {texts} queued texts to them were dropped." if texts else ""
                return Said(f"{who} is suspended, and was not told.{dropped}", True)
            case "already":
                return Said(f"{who} is suspended already.", True)
            case _:
                return Said(f"{who} is no member, and so was not suspended: reject them.", False)

    def export(self, phone: str) -> JSON | None:
        """Everything stored about a member: see sql/functions/export_member.sql; None of nobody."""
        answer = self.database.call(
            "export_member", phone=phone, by=getpass.getuser(), token=uuid4(), now=self.now
        )
        if answer["outcome"] == "unknown":
            return None
        exported_at = self.now or datetime.now(UTC)
        return {
            "exported_at": exported_at.isoformat(),
            "phone_number": phone,
            "rows": answer["rows"],
            "tables": answer["tables"],
        }

    def erase(self, phone: str) -> Said:
        """Erase a person; what is erased already is no error."""
        answer = self.database.call(
            "erase_member",
            phone=phone,
            by=getpass.getuser(),
            token=uuid4(),
            national=_national(phone),
            now=self.now,
        )
        if answer["outcome"] == "unknown":
            return Said(f"Nobody has the number {phone}: there is nothing to erase.", True)
        return Said(f"{phone} is erased. What is left of them has the id {answer['id']}.", True)

    def say(self, phone: str, text: str, *, urgent: bool) -> Said:
        """Send a text in the operator's words.

        Raises:
            WrongInputError: there is no text, or it is too long.
        """
        words = segments.plain(text)
        if not words:
            raise WrongInputError('TEXT is missing: what is to be said? TEXT="…".')
        if len(words) > MAX_CHARS:
            raise WrongInputError(
                f"TEXT is too long: {len(words)} characters, and at most {MAX_CHARS} are sent."
            )
        token = uuid4()
        event = derived_id(token, "event")
        answer = self.database.call(
            "say_to_member",
            phone=phone,
            by=getpass.getuser(),
            token=token,
            event_id=event,
            text=words,
            urgent=urgent,
            now=self.now,
        )
        if answer["outcome"] == "unknown":
            return _unknown(phone)
        who = _who(answer["member"])
        if answer["outcome"] == "opted_out":
            return Said(f"{who} has opted out: nothing was sent.", False)
        pubsub.publish([str(event)])
        held = answer["send_at"] is not None
        return Said(
            f"The text to {who} leaves {_when(answer['send_at'])}."
            + (" URGENT=1 does not wait for that." if held else ""),
            True,
        )


def as_file(export: JSON, path: Path) -> None:
    """Write an export where only its owner can read it.

    Raises:
        WrongInputError: it cannot be written there.
    """
    try:
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(as_text(export) + "\n", encoding="utf-8")
    except OSError as error:
        raise WrongInputError(f"FILE cannot be written: {error.strerror}.") from None


def as_text(export: JSON) -> str:
    """An export as JSON for people and programs."""
    return json.dumps(export, indent=2, ensure_ascii=False)


def as_table(members: list[JSON]) -> str:
    """Members as a table."""
    rows = [
        [
            member["phone_number"],
            _name(member) or None,
            member["company"],
            member["title"],
            member["email"],
            "yes" if member["email_verified"] else "no",
            member["referrer"],
            moment(member["completed_at"]),
        ]
        for member in members
    ]
    headings = ["phone", "name", "company", "title", "e-mail", "proved", "referrer", "since"]
    return table(headings, rows)


def _national(phone: str) -> str:
    """The digits of a number without its country's code."""
    import phonenumbers

    return phonenumbers.national_significant_number(phonenumbers.parse(phone))


def _unknown(phone: str) -> Said:
    return Said(f"Nobody with the number {phone} has ever written: nothing was changed.", False)


def _name(member: JSON) -> str:
    names = (member["first_name"], member["last_name"])
    return "".join(c if c.isprintable() else "?" for c in " ".join(filter(None, names)))


def _who(member: JSON) -> str:
    name = _name(member)
    return f"{name} ({member['phone_number']})" if name else str(member["phone_number"])


def _agent(member: JSON) -> str:
    return str(member["poc_agent_type"] or "concierge")


def _list(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _when(send_at: str | None) -> str:
    if send_at is None:
        return "now"
    at = datetime.fromisoformat(send_at).astimezone(UTC)
    return f"when their quiet hours end, at {at:%Y-%m-%d %H:%M} UTC"
