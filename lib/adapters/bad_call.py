"""A webhook call that is refused."""

from dataclasses import dataclass


@dataclass
class BadCall(Exception):
    """A call that is refused: an HTTP status and one clear sentence."""

    status: int
    sentence: str
