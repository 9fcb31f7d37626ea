"""Pictures attached in the page, kept in memory until newer ones push them out."""

from collections import OrderedDict
from dataclasses import dataclass
from uuid import uuid4

MAX_PICTURES = 20
MAX_PICTURE_BYTES = 5_000_000
#: What phones send and a browser shows without running anything: no SVG.
PICTURE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture and its media type."""

    content: bytes
    content_type: str


class Pictures:
    """The latest pictures by id."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, Picture] = OrderedDict()

    def add(self, content: bytes, content_type: str) -> str:
        """Keep a picture and return its id.

        Raises:
            ValueError: it is empty, larger than 5 MB or not a JPEG, PNG, GIF or WebP.
        """
        if content_type not in PICTURE_TYPES:
            raise ValueError("A picture must be a JPEG, PNG, GIF or WebP.")
        if not 0 < len(content) <= MAX_PICTURE_BYTES:
            raise ValueError("A picture must have between 1 byte and 5 MB.")
        picture_id = uuid4().hex
        self._pictures[picture_id] = Picture(content, content_type)
        while len(self._pictures) > MAX_PICTURES:
            self._pictures.popitem(last=False)
        return picture_id

    def get(self, picture_id: str) -> Picture | None:
        """The picture, unless it was pushed out or never existed."""
        return self._pictures.get(picture_id)
