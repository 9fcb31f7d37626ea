"""`python -m terraform.rollback`: let every function serve what it did before the last deployment.

Cloud Run keeps the revisions of a function, each an image with its variables, and moves traffic
between them in seconds, without a build. All functions come from one archive, so going back is to
one moment for all of them: each serves its newest revision from before it. Without `--before` that
moment is the last deployment's of code: the newest revision of each that has another image. Were
their newest images not made by one deployment, there is no such moment, and it must be said;
`--name` is about one function alone. A function that was not there before is left as it is.

Schema changes are not undone, and need not be: they only add.
`python -m terraform.rollback --latest` ends it; so does `make deploy`.

Exit status: 0 done, 1 not (one sentence says why).
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from main import FUNCTIONS

#: Within which all functions get the image of one deployment: builds run beside each other and take
#: minutes, and a deployment that had to be run again is still one.
ONE_DEPLOYMENT = timedelta(minutes=30)


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


def older(revisions: list[Revision], before: datetime | None) -> list[Revision]:
    """Those from before a moment, or else of another image than the newest; the newest first.

    `revisions` are the newest first, too. None older: the function was not there before.
    """
    return [
        revision
        for revision in revisions
        if (revision.at < before if before else revision.image != revisions[0].image)
    ]


def roll_back(
    place: Place, services: list[str], before: datetime | None
) -> list[tuple[str, Revision | None]]:
    """Move every service, or none; what each serves now, None: it was not there before.

    Raises:
        RollbackError: nothing was moved, or the sentence says after which service it stopped.
    """
    there = {service: place.revisions(service) for service in services}
    if before is None:
        _check_one_deployment(there)
    moves: list[tuple[str, Revision | None]] = []
    for service, revisions in there.items():
        past = older(revisions, before)
        found = next((revision for revision in past if revision.is_ready), None)
        if past and found is None:
            raise RollbackError(f"{service} has no older revision that works: nothing was changed.")
        moves.append((service, found))
    if not any(revision for _, revision in moves):
        raise RollbackError(f"{', '.join(services)}: no older revision, nothing was changed.")
    moved: list[str] = []
    for service, revision in moves:
        if revision is None:
            continue
        try:
            place.serve(service, revision)
        except RollbackError as error:
            so_far = ", ".join(moved) or "nothing"
            raise RollbackError(f"{error} Moved before that: {so_far}. Run it again.") from error
        moved.append(service)
    return moves


def _check_one_deployment(there: dict[str, list[Revision]]) -> None:
    """Refuse services whose newest images are of different deployments."""
    made = {
        service: min(r.at for r in revisions if r.image == revisions[0].image)
        for service, revisions in there.items()
        if revisions
    }
    if made and max(made.values()) - min(made.values()) > ONE_DEPLOYMENT:
        times = ", ".join(f"{service} {at:%Y-%m-%d %H:%M}" for service, at in made.items())
        raise RollbackError(
            f"The functions were not deployed together ({times} UTC): nothing was changed. "
            "Say which moment is meant with BEFORE=…, or which function with NAME=…."
        )


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
    parser.add_argument("--name", choices=FUNCTIONS, help="of one function alone")
    asked = parser.parse_args(arguments)
    services = [name.replace("_", "-") for name in ([asked.name] if asked.name else FUNCTIONS)]
    place = Place(asked.project, asked.region)
    try:
        if asked.latest:
            for service in services:
                place.serve(service, None)
                print(f"{service} serves its latest revision.", flush=True)
            return 0
        for service, revision in roll_back(place, services, asked.before):
            if revision:
                print(f"{service} serves {revision.name}, of {revision.at:%Y-%m-%d %H:%M} UTC.")
            else:
                print(f"{service} was not there before: it is left as it is.")
    except RollbackError as error:
        print(error, file=sys.stderr)
        return 1
    print("End it with `make rollback TO=latest …`, or with the next `make deploy`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
