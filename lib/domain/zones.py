"""Which time zone a member lives in (behaviour.md, message_queue: quiet hours)."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DEFAULT_ZONE = "America/New_York"
#: Named by a place: Python and PostgreSQL mean the same by it (sql/functions/known_zone.sql).
_AREA_AND_CITY = re.compile(r"(?!(?:posix|right|Etc)/)[A-Za-z]+(?:/[A-Za-z_-]+){1,2}")


def zone_of(timezone: str | None, phone_number: str) -> ZoneInfo:
    """The member's stated zone, else their number's when it has exactly one, else New York's.

    An invalid zone counts as absent, an unreadable number as one without a zone.
    """
    return _zone(timezone) or _zone(_zone_of_number(phone_number)) or ZoneInfo(DEFAULT_ZONE)


def named_zone(name: str) -> ZoneInfo | None:
    """The zone of this name, of the form Area/City; None when there is none.

    >>> named_zone("Europe/Oslo")
    zoneinfo.ZoneInfo(key='Europe/Oslo')
    >>> named_zone("EST"), named_zone("Etc/GMT-5"), named_zone("Europe/Nowhere")
    (None, None, None)
    """
    return _zone(name) if _AREA_AND_CITY.fullmatch(name) else None


def _zone(name: str | None) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _zone_of_number(phone_number: str) -> str | None:
    # Its tables are large and most functions never ask.
    from phonenumbers import NumberParseException, parse, timezone

    try:
        # By prefix alone, as sql/functions/phone_zone.sql does.
        zones = timezone.time_zones_for_geographical_number(parse(phone_number))
    except NumberParseException:
        return None
    return zones[0] if len(zones) == 1 else None
