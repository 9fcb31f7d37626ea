"""`python -m lib.console`: what operators ask for on the command line.

Exit status: 0 done, 1 not done (one sentence says why), 2 the command is wrong.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from lib.adapters.scheduler import SchedulerError
from lib.adapters.supabase import DatabaseError
from lib.console import dead_letters, where
from lib.console.table import table
from lib.core.settings import SettingsError

_ACTIONS = ("pause", "resume", "run")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    asked = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = asked.command
    try:
        return command(asked)
    except (where.NowhereError, SettingsError, SchedulerError) as error:
        print(error, file=sys.stderr)
    except DatabaseError as error:
        print(f"The database did not answer as it should: {error}.", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib.console", description=__doc__)
    parts = parser.add_subparsers(required=True, metavar="dead-letters | jobs")
    letters = parts.add_parser("dead-letters", help="events and tasks that were given up")
    verbs = letters.add_subparsers(required=True, metavar="list | show | replay")
    listing = verbs.add_parser("list", help="the newest ones")
    listing.add_argument("--type", help="of one event or task type")
    listing.add_argument("--since", type=_time, help="created then or later, UTC (30 days)")
    listing.add_argument("--limit", type=int, default=50, help="50, at most 200")
    listing.set_defaults(command=_list_letters)
    showing = verbs.add_parser("show", help="one of them, without people's words")
    showing.add_argument("id", type=UUID)
    showing.set_defaults(command=_show_letter)
    replaying = verbs.add_parser("replay", help="try again, as if never tried")
    replaying.add_argument("id", type=UUID, nargs="*")
    replaying.add_argument("--type", help="instead of ids: the newest of one type")
    replaying.add_argument("--limit", type=int, default=50, help="with --type: 50, at most 200")
    replaying.set_defaults(command=_replay_letters)
    jobs = parts.add_parser("jobs", help="what calls the functions by the clock")
    verbs = jobs.add_subparsers(required=True, metavar="list | pause | resume | run")
    verbs.add_parser("list").set_defaults(command=_list_jobs)
    for action in _ACTIONS:
        acting = verbs.add_parser(action)
        acting.add_argument("name", nargs="*")
        acting.add_argument("--all", action="store_true", help="instead of names")
        acting.set_defaults(command=_act_on_jobs, action=action)
    return parser


def _time(given: str) -> datetime:
    moment = datetime.fromisoformat(given)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _list_letters(asked: argparse.Namespace) -> int:
    print(dead_letters.show_list(where.database(), asked.type, asked.since, asked.limit))
    return 0


def _show_letter(asked: argparse.Namespace) -> int:
    said, found = dead_letters.show_one(where.database(), asked.id)
    print(said, file=sys.stdout if found else sys.stderr)
    return 0 if found else 1


def _replay_letters(asked: argparse.Namespace) -> int:
    if bool(asked.id) == bool(asked.type):
        print("Name ids, or a --type, and not both.", file=sys.stderr)
        return 2
    database = where.database()
    ids = asked.id or dead_letters.ids_of(database, asked.type, asked.limit)
    if not ids:
        print("There are no dead letters of this type.")
        return 0
    said, all_replayed = dead_letters.replay(database, ids)
    print(said, file=sys.stdout if all_replayed else sys.stderr)
    return 0 if all_replayed else 1


def _list_jobs(_: argparse.Namespace) -> int:
    rows = [
        [job.name, job.schedule, "paused" if job.paused else "on", job.last_run, job.last_outcome]
        for job in where.jobs().list()
    ]
    print(table(["job", "schedule", "state", "last run", "outcome"], rows))
    return 0


def _act_on_jobs(asked: argparse.Namespace) -> int:
    if bool(asked.name) == asked.all:
        print("Name jobs, or --all, and not both.", file=sys.stderr)
        return 2
    jobs = where.jobs()
    done = {"pause": "is paused", "resume": "is on again", "run": "was called"}[asked.action]
    for name in asked.name or [job.name for job in jobs.list()]:
        getattr(jobs, asked.action)(name)
        print(f"{name} {done}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
