"""What a member says about themselves and about being written to, as the tool for it.

>>> wish("please don't text me before 10am", {})
('set_quiet_hours', {'start': '22:00', 'end': '10:00'})
>>> wish("max two texts a day please", {})
('set_pace', {'per_day': 2})
>>> wish("I moved to Lisbon", {})
('set_time_zone', {'place': 'Lisbon', 'time_zone': 'Europe/Lisbon'})
"""

import re
import zoneinfo
from functools import cache

from local.claude_simulator.patterns import LINKEDIN
from local.claude_simulator.prompt import JSON

_HOUR = r"(\d{1,2})(?::(\d\d))?\s*(am|pm|o'?clock|h)?"
_WRITING = re.compile(
    r"\b(?:text|texts|message|messages|write|ping|bother|disturb|contact|quiet|reach|buzz)\b", re.I
)
_BETWEEN = re.compile(rf"\b(?:between|from)?\s*{_HOUR}\s*(?:and|to|till|until|-)\s*{_HOUR}", re.I)
_BEFORE = re.compile(rf"\b(?:before|until|till|earlier than)\s+{_HOUR}", re.I)
_AFTER = re.compile(rf"\b(?:after|past|later than)\s+{_HOUR}", re.I)
_ALWAYS = re.compile(r"(?<!\bnot )\b(?:any ?time\b(?! soon)|no quiet hours\b|day or night\b)", re.I)
_COUNTS = {"one": 1, "once": 1, "a single": 1, "two": 2, "twice": 2, "three": 3, "four": 4}
_PACE = re.compile(
    rf"\b(?P<n>\d|{'|'.join(_COUNTS)})\s*(?:texts?|messages?|times?)?\s*(?:a|per|each|every)"
    r"\s+(?P<unit>day|hour)\b",
    re.I,
)
_USUAL_PACE = re.compile(
    r"\b(?:(?:usual|normal|old) pace|as often as (?:before|usual|you like|you want))\b", re.I
)
_PLACE = re.compile(
    r"\b(?:i'm|i am|i live|i moved|moved|moving|relocated|based|living)\s+(?:now\s+|currently\s+)?"
    r"(?:based\s+|living\s+)?(?:in|to)\s+(?P<v>[A-Z]\w+(?: [A-Z]\w+)?)"
)
_GOAL = re.compile(
    r"\b(?:my (?:main |big )?goal (?:is|this year is)(?: to)?|i(?:'m| am) working towards?"
    r"|what i want (?:most )?is(?: to)?)\s+(?P<v>[^.?!]{5,150})",
    re.I,
)
NOT_NOW = re.compile(
    r"\b(?:not now|too busy|no time|swamped|maybe later|next month|bad time|check back later)\b",
    re.I,
)


def wish(said: str, card: JSON) -> tuple[str, JSON] | None:
    """The tool and its arguments; None for anything else."""
    if _USUAL_PACE.search(said):
        return "set_pace", {}
    if _WRITING.search(said) or "quiet" in said.casefold():
        if hours := _hours(said, card):
            return "set_quiet_hours", {"start": hours[0], "end": hours[1]}
        if pace := _PACE.search(said):
            count = _COUNTS.get(pace["n"].casefold()) or int(pace["n"])
            return "set_pace", {f"per_{pace['unit'].casefold()}": max(count, 1)}
    if profile := LINKEDIN.search(said):
        return "set_linkedin", {"url": profile["v"]}
    if (place := _PLACE.search(said)) and (zone := _zone(place["v"])):
        return "set_time_zone", {"place": place["v"], "time_zone": zone}
    if goal := _GOAL.search(said):
        return "set_goal", {"goal": goal["v"].strip()}
    return ("not_now", {}) if NOT_NOW.search(said) else None


def _hours(said: str, card: JSON) -> tuple[str, str] | None:
    """When not to be written to: start and end."""
    if _ALWAYS.search(said):
        return "00:00", "00:00"
    start, end = (card.get("quiet_hours") or ["22:00", "08:00"])[:2]
    if between := _BETWEEN.search(said):
        first, second = between.groups()[:3], between.groups()[3:]
        return _clock(first), _clock(second)
    before, after = _BEFORE.search(said), _AFTER.search(said)
    if before is None and after is None:
        return None
    return _clock(after.groups()) if after else start, _clock(before.groups()) if before else end


def _clock(parts: tuple[str | None, ...]) -> str:
    hour, minutes, half = int(parts[0] or 0) % 24, parts[1] or "00", (parts[2] or "").casefold()
    if half == "pm" and hour < 12:
        hour += 12
    if half == "am" and hour == 12:
        hour = 0
    return f"{hour:02d}:{minutes}"


@cache
def _cities() -> dict[str, str]:
    return {name.rsplit("/", 1)[-1]: name for name in zoneinfo.available_timezones() if "/" in name}


def _zone(place: str) -> str | None:
    name = place.replace(" ", "_")
    return _cities().get(name) or _cities().get(name.split("_")[0])
