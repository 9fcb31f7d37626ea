"""`python -m lib.console`: what operators ask for on the command line.

Exit status: 0 done, 1 not done (one sentence says why), 2 the command or its variables are wrong.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from lib.adapters.scheduler import SchedulerError
from lib.adapters.supabase import DatabaseError
from lib.console import where
from lib.console.dead_letters import Said, as_table
from lib.console.held import STATES
from lib.console.held import as_table as held_table
from lib.console.members import WrongInputError, as_file, as_text, phone_number
from lib.console.members import as_table as members_table
from lib.console.table import table
from lib.core.settings import SettingsError

_ACTIONS = {"pause": "is paused", "resume": "is on again", "run": "was called"}
_MOST = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    asked = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = asked.command
    try:
        return command(asked)
    except (where.NowhereError, SettingsError, WrongInputError) as error:
        print(error, file=sys.stderr)
        return 2
    except SchedulerError as error:
        print(error, file=sys.stderr)
    except DatabaseError as error:
        print(f"The database did not answer as it should: {error}.", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib.console", description=__doc__)
    parts = parser.add_subparsers(
        required=True,
        metavar="waiting | approve | reject | suspend | say | export | erase | dead-letters | held"
        " | jobs",
    )
    here = argparse.ArgumentParser(add_help=False)
    here.add_argument("--local", action="store_true", help="the local stack, whatever is set")
    _add_members(parts, here)

    letters = parts.add_parser("dead-letters", help="events and tasks that were given up")
    verbs = letters.add_subparsers(required=True, metavar="list | show | replay")
    listing = verbs.add_parser("list", help="the newest ones", parents=[here])
    listing.add_argument("--type", help="of one event or task type")
    listing.add_argument("--since", type=_time, help="due then or later, UTC")
    listing.add_argument("--limit", type=_count, default=50, help="default 50")
    listing.set_defaults(command=_list_letters)
    showing = verbs.add_parser("show", help="one of them, without people's words", parents=[here])
    showing.add_argument("id", type=UUID)
    showing.set_defaults(command=_show_letter)
    replaying = verbs.add_parser("replay", help="try again, as if never tried", parents=[here])
    replaying.add_argument("id", type=UUID, nargs="*")
    replaying.add_argument("--type", help="instead of ids: the newest of one type")
    replaying.add_argument("--limit", type=_count, default=50, help="with --type: default 50")
    replaying.set_defaults(command=_replay_letters)

    held = parts.add_parser("held", help="texts that are queued and may not leave yet, and why")
    verbs = held.add_subparsers(required=True, metavar="list")
    listing = verbs.add_parser("list", help="the next to leave first", parents=[here])
    listing.add_argument("--state", choices=STATES, help="in one state only")
    listing.add_argument("--member", type=UUID, help="of one member, by id")
    listing.add_argument("--limit", type=_count, default=50, help="default 50")
    listing.set_defaults(command=_list_held)

    there = argparse.ArgumentParser(add_help=False, parents=[here])
    there.add_argument("--project", help="of Google Cloud, instead of GOOGLE_CLOUD_PROJECT")
    there.add_argument("--region", help="instead of GOOGLE_CLOUD_REGION")
    jobs = parts.add_parser("jobs", help="what calls the functions by the clock")
    verbs = jobs.add_subparsers(required=True, metavar="list | pause | resume | run")
    verbs.add_parser("list", parents=[there]).set_defaults(command=_list_jobs)
    for action in _ACTIONS:
        acting = verbs.add_parser(action, parents=[there])
        acting.add_argument("name", type=_job, nargs="*")
        acting.add_argument("--all", action="store_true", help="instead of names")
        acting.set_defaults(command=_act_on_jobs, action=action)
    return parser


def _add_members(
    parts: "argparse._SubParsersAction[argparse.ArgumentParser]", here: argparse.ArgumentParser
) -> None:
    waiting = parts.add_parser("waiting", help="who waits for approval", parents=[here])
    waiting.add_argument("--limit", type=_count, default=50, help="default 50")
    waiting.set_defaults(command=_list_waiting)
    whose = argparse.ArgumentParser(add_help=False, parents=[here])
    whose.add_argument("phone", help="the member's number, with its country's code")
    approving = parts.add_parser("approve", help="take somebody on, or back", parents=[whose])
    approving.add_argument("--as", dest="agent_type", choices=("concierge", "innovator"))
    approving.set_defaults(command=_approve)
    rejecting = parts.add_parser("reject", help="do not take somebody on", parents=[whose])
    rejecting.set_defaults(command=_reject)
    suspending = parts.add_parser("suspend", help="serve a member no more", parents=[whose])
    suspending.set_defaults(command=_suspend)
    saying = parts.add_parser("say", help="text somebody in your words", parents=[whose])
    saying.add_argument("text")
    saying.add_argument("--urgent", action="store_true", help="in their quiet hours, too")
    saying.set_defaults(command=_say)
    exporting = parts.add_parser("export", help="everything stored about one", parents=[whose])
    exporting.add_argument("--file", type=Path, help="instead of printing it")
    exporting.set_defaults(command=_export)
    erasing = parts.add_parser("erase", help="erase a person", parents=[whose])
    erasing.add_argument("--yes", action="store_true", help="without being asked")
    erasing.set_defaults(command=_erase)


def _time(given: str) -> datetime:
    moment = datetime.fromisoformat(given)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _count(given: str) -> int:
    count = int(given)
    if not 1 <= count <= _MOST:
        raise argparse.ArgumentTypeError(f"{count} is not from 1 to {_MOST}")
    return count


def _job(given: str) -> str:
    # It becomes part of a URL.
    if not re.fullmatch(r"[\w-]{1,500}", given, re.ASCII):
        raise argparse.ArgumentTypeError("a job's name has letters, digits, - and _ only")
    return given


def _list_waiting(asked: argparse.Namespace) -> int:
    found, is_more = where.members(local=asked.local).waiting(asked.limit)
    print(members_table(found) if found else "Nobody waits for approval.")
    if is_more:
        print("There are more: --limit.")
    return 0


def _approve(asked: argparse.Namespace) -> int:
    phone = phone_number(asked.phone)
    return _print(where.members(local=asked.local).approve(phone, asked.agent_type))


def _reject(asked: argparse.Namespace) -> int:
    phone = phone_number(asked.phone)
    return _print(where.members(local=asked.local).reject(phone))


def _suspend(asked: argparse.Namespace) -> int:
    phone = phone_number(asked.phone)
    return _print(where.members(local=asked.local).suspend(phone))


def _say(asked: argparse.Namespace) -> int:
    phone = phone_number(asked.phone)
    members = where.members(local=asked.local)
    return _print(members.say(phone, asked.text, urgent=asked.urgent))


def _export(asked: argparse.Namespace) -> int:
    phone = phone_number(asked.phone)
    export = where.members(local=asked.local).export(phone)
    if export is None:
        print(f"Nobody has the number {phone}: there is nothing to export.", file=sys.stderr)
        return 1
    if asked.file is None:
        print(as_text(export))
        return 0
    as_file(export, asked.file)
    print(f"What is stored about {phone} is in {asked.file}: {export['rows']} rows.")
    return 0


def _erase(asked: argparse.Namespace) -> int:
    phone = phone_number(asked.phone)
    members = where.members(local=asked.local)
    if not asked.yes:
        print(f"This cannot be undone. Type {phone} to erase them: ", end="", file=sys.stderr)
        sys.stderr.flush()
        if sys.stdin.readline().strip() != phone:
            print("Nothing was erased. YES=1 erases without asking.", file=sys.stderr)
            return 1
    return _print(members.erase(phone))


def _list_letters(asked: argparse.Namespace) -> int:
    found, is_more = where.dead_letters(local=asked.local).find(
        asked.type, asked.since, asked.limit
    )
    print(as_table(found) if found else "There are no dead letters.")
    if is_more:
        print("There are more: --limit, --since, --type.")
    return 0


def _show_letter(asked: argparse.Namespace) -> int:
    return _print(where.dead_letters(local=asked.local).show(asked.id))


def _replay_letters(asked: argparse.Namespace) -> int:
    if bool(asked.id) == bool(asked.type):
        print("Name ids, or a --type, and not both.", file=sys.stderr)
        return 2
    letters = where.dead_letters(local=asked.local)
    ids: list[UUID] = asked.id
    is_more = False
    if asked.type:
        found, is_more = letters.find(asked.type, None, asked.limit)
        ids = [UUID(letter["id"]) for letter in found]
    if not ids:
        print("There are no dead letters of this type.")
        return 0
    replayed = 0
    for said in letters.replay(ids):
        _print(said)
        replayed += said.is_done
    if replayed:
        print("What is open again is taken up within two minutes, unless its job is paused.")
    if is_more:
        print("There are more of this type: --limit.")
    return 0 if replayed == len(ids) else 1


def _print(said: Said) -> int:
    """Print what was done, or what was not where errors go; returns the exit status."""
    print(said.sentence, file=sys.stdout if said.is_done else sys.stderr, flush=True)
    return 0 if said.is_done else 1


def _list_held(asked: argparse.Namespace) -> int:
    found, is_more = where.held_texts(local=asked.local).find(
        asked.member, asked.state, asked.limit
    )
    print(held_table(found) if found else "No text is held.")
    if is_more:
        print("There are more: --limit, --state, --member.")
    return 0


def _list_jobs(asked: argparse.Namespace) -> int:
    jobs = where.jobs(local=asked.local, project=asked.project, region=asked.region)
    rows = [
        [job.name, job.schedule, job.state, job.last_run, job.last_outcome] for job in jobs.list()
    ]
    print(f"{jobs.place}:")
    print(table(["job", "schedule", "state", "last run", "outcome"], rows))
    return 0


def _act_on_jobs(asked: argparse.Namespace) -> int:
    if bool(asked.name) == asked.all:
        print("Name jobs, or --all, and not both.", file=sys.stderr)
        return 2
    jobs = where.jobs(local=asked.local, project=asked.project, region=asked.region)
    names = asked.name or [job.name for job in jobs.list()]
    print(f"{jobs.place}:")
    for name in names:
        getattr(jobs, asked.action)(name)
        print(f"{name} {_ACTIONS[asked.action]}.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
