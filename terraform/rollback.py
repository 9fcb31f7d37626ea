"""`python -m terraform.rollback`: let every function serve what it did before the last deployment.

Cloud Run keeps the revisions of a function, each an image with its variables, and moves traffic
between them in seconds, without a build. All functions come from one archive, so going back is to
one moment for all of them: each serves its newest revision from before it. Without BEFORE that
moment is the last deployment's of code: the newest revision of each that has another image.

Schema changes are not undone, and need not be: they only add.
`python -m terraform.rollback --latest` ends it; so does `make deploy`.

Exit status: 0 done, 1 not (one sentence says why).
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from main import FUNCTIONS


class RollbackError(Exception):
    """What did not work; one clear sentence."""


@dataclass(frozen=True)
class Revision:
    """One revision of a function. `at` is UTC; `image` is the digest of what a build made."""

    name: str
    at: datetime
    image: str
    is_ready: bool


@dataclass(frozen=True)
class Place:
    """A project and a region."""

    project: str
    region: str

    def revisions(self, service: str) -> list[Revision]:
        """A function's revisions, the newest first."""
        found = json.loads(
            self._gcloud("run", "revisions", "list", f"--service={service}", "--format=json")
        )
        return sorted((_revision(entry) for entry in found), key=lambda r: r.at, reverse=True)

    def serve(self, service: str, revision: Revision | None) -> None:
        """Let one revision take all calls; None: the latest, now and after each deployment."""
        to = f"--to-revisions={revision.name}=100" if revision else "--to-latest"
        self._gcloud("run", "services", "update-traffic", service, to, "--format=none")

    def _gcloud(self, *arguments: str) -> str:
        command = ["gcloud", *arguments, f"--project={self.project}", f"--region={self.region}"]
        try:
            done = subprocess.run(
                [*command, "--quiet"], capture_output=True, text=True, check=False, timeout=300
            )
        except FileNotFoundError:
            raise RollbackError("gcloud is not installed.") from None
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise RollbackError(
                f"gcloud {' '.join(arguments[:3])}: {said[-1] if said else 'failed'}"
            )
        return done.stdout


def target(revisions: list[Revision], before: datetime | None) -> Revision | None:
    """The newest revision that works from before a moment, or else of an older image.

    `revisions` are the newest first. None: there is none to go back to.
    """
    older = [
        revision
        for revision in revisions
        if (revision.at < before if before else revision.image != revisions[0].image)
    ]
    return next((revision for revision in older if revision.is_ready), None)


def roll_back(place: Place, before: datetime | None) -> list[tuple[str, Revision]]:
    """Move every function, or none if one of them has nothing to go back to.

    Raises:
        RollbackError: nothing was moved, or the sentence says after which function it stopped.
    """
    services = [name.replace("_", "-") for name in FUNCTIONS]
    moves: list[tuple[str, Revision]] = []
    for service in services:
        found = target(place.revisions(service), before)
        if found is None:
            raise RollbackError(f"{service} has no older revision: nothing was changed.")
        moves.append((service, found))
    for nth, (service, revision) in enumerate(moves):
        try:
            place.serve(service, revision)
        except RollbackError as error:
            moved = ", ".join(name for name, _ in moves[:nth]) or "nothing"
            raise RollbackError(f"{error} Moved before that: {moved}. Run it again.") from error
    return moves


def _revision(entry: dict[str, Any]) -> Revision:
    metadata = entry["metadata"]
    conditions = entry.get("status", {}).get("conditions", [])
    return Revision(
        name=metadata["name"],
        at=datetime.fromisoformat(metadata["creationTimestamp"]),
        image=entry.get("status", {}).get("imageDigest", ""),
        is_ready=any(c["type"] == "Ready" and c["status"] == "True" for c in conditions),
    )


def _moment(given: str) -> datetime:
    moment = datetime.fromisoformat(given)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def main(arguments: list[str] | None = None) -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m terraform.rollback")
    parser.add_argument("--project", required=True)
    parser.add_argument("--region", required=True)
    to = parser.add_mutually_exclusive_group()
    to.add_argument("--before", type=_moment, help="UTC, e.g. 2026-11-30T18:00")
    to.add_argument("--latest", action="store_true", help="serve the latest deployment again")
    asked = parser.parse_args(arguments)
    place = Place(asked.project, asked.region)
    try:
        if asked.latest:
            for name in FUNCTIONS:
                place.serve(name.replace("_", "-"), None)
                print(f"{name} serves its latest revision.", flush=True)
            return 0
        for service, revision in roll_back(place, asked.before):
            print(f"{service} serves {revision.name}, of {revision.at:%Y-%m-%d %H:%M} UTC.")
    except RollbackError as error:
        print(error, file=sys.stderr)
        return 1
    print("End it with `make rollback TO=latest …`, or with the next `make deploy`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
