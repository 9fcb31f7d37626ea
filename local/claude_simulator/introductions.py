"""What the concierge would do about introductions: bring them up, take a yes, a no, what became."""

import re

from local.claude_simulator.prompt import JSON

_COULD, _SHALL, _MADE = "Could you introduce them?", "Shall they?", "Did you introduce"
_YES = re.compile(
    r"(?:yes|yep|yeah|yup|sure|ok|okay|absolutely|of course|happy to|please do|go ahead|gladly)\b"
    r"[^?]*",
    re.I,
)
_OFFER = re.compile(
    r"\b(?:i can|i could|i'll|i will|happy to|glad to|let me|please) (?:make (?:the|that|an) intro"
    r"|introduce|intro|connect)\b|\bintroduce me\b",
    re.I,
)
_NO = re.compile(
    r"(?:no|nope|nah|sorry|rather not|i'd rather not|not really)\b[^?]*"
    r"|.*\b(?:can't|cannot|don't know (?:him|her|them)|not (?:comfortable|interested)|i'll pass)\b"
    r".*",
    re.I,
)
_HAPPENED = re.compile(
    r"\b(?:introduced (?:them|him|her|you two|the two)"
    r"|intro(?:duction)? (?:is|was) (?:done|made)|made the intro(?:duction)?"
    r"|they(?:'ve| have)? (?:met|spoken|talked))\b",
    re.I,
)
_OFF = re.compile(
    r"\b(?:won't happen|will not happen|fell through|not going to happen|can't make (?:it|that"
    r"|the intro\w*)|called? (?:it|that) off)\b",
    re.I,
)
_NOT_YET = re.compile(r"\bnot yet\b|\bstill (?:to|on)\b|\bsoon\b|\bnext week\b", re.I)


def tool(said: str, last: str, card: JSON) -> tuple[str, JSON] | None:
    """The tool for what was said, after we said `last`; None when it is about something else."""
    intros = [one for one in card.get("intros") or [] if isinstance(one, dict)]
    asked = [one for one in intros if _MADE in last and one["person"] in last] or intros
    if len(asked) == 1:
        place = asked[0]["intro"]
        if _OFF.search(said):
            return "report_intro", {"intro": place, "happened": False}
        yes = _MADE in last and _YES.fullmatch(said) and not _NOT_YET.search(said)
        if asked[0].get("agreed") and (yes or _HAPPENED.search(said)):
            return "report_intro", {"intro": place, "happened": True}
    item = _meant(said, last, card)
    if item is None:
        return None
    just = _COULD in last or _SHALL in last
    if just and _NO.fullmatch(said):
        return "decline_item", {"item": item["item"]}
    if (just and _YES.fullmatch(said)) or _OFFER.search(said):
        return "accept_intro", {"item": item["item"]}
    return None


def _meant(said: str, last: str, card: JSON) -> JSON | None:
    """The open introduction that a text is about: the one just asked, or named, or the only one."""
    shown = [
        item
        for item in card.get("items") or []
        if isinstance(item, dict) and "person" in item and item.get("brought_up")
    ]
    for words in (said, last):
        named = [item for item in shown if str(item["person"]).split(",")[0] in words]
        if len(named) == 1:
            return named[0]
    return shown[0] if len(shown) == 1 else None


def brought_up(item: JSON) -> str:
    """An introduction in words."""
    person, bounty = item["person"], item.get("credits")
    if "gives" in item:
        takes = f" and it takes {bounty} credits once it was made" if bounty else ""
        return (
            f"A member could introduce you to {person}; they would get your name and e-mail"
            f" address{takes}. {_SHALL}"
        )
    offered = f", who offers this: {item['offered'].rstrip('.')}," if item.get("offered") else ""
    brings = f"; it brings {bounty} credits once it was made" if bounty else ""
    return f"A member{offered} would like to meet {person}{brings}. {_COULD}"


def asked_after(intro: JSON) -> str:
    """The question whether one was made."""
    return f"{_MADE} {intro['person']}{' to ' + intro['to'] if intro.get('to') else ''}?"


def after(name: str, result: JSON) -> str | None:
    """The answer when one of these tools was used; None for any other."""
    if name == "accept_intro":
        if "credits" in str(result.get("error")):
            return "That takes more credits than you have at present."
        if "error" in result:
            return "I can't take that up, somebody else may be making that introduction."
        return "Thanks, noted. The two of you learn each other's names once both have said yes."
    if name == "report_intro":
        if "error" in result:
            return "The other side has not said yes yet, so that is not possible."
        return "Thanks for telling me." if "completed" in result else "OK, noted."
    return None
