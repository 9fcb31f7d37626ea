"""What the concierge would do: ask others, take answers and outcomes, bring things up.

Simple signs decide: a question that begins with "who knows", "does anyone" and the like is one for
other members; a longer text after an item was brought up is about that item. What was asked last
says what "yes" means.
"""

import re
from typing import Any

from local.claude_simulator import introductions
from local.claude_simulator.bouncer import Move
from local.claude_simulator.prompt import JSON, Turn
from local.claude_simulator.wishes import wish
from local.claude_simulator.words import CHATTER, GRATITUDE, GREETING

MAX_QUOTE = 80
#: What is better not repeated: amounts, addresses, anything that looks like data or markup.
_NOT_QUOTED = re.compile(
    r"[\d$€£{}\[\]<>@\"`*_#\\|]|https?:|www\.|\.\w{2}|\bpassword\b|\bbudget\b", re.I
)
_BOT = re.compile(r"\b(?:bot|robot|human|real person|machine|automated|ai|chatgpt)\b", re.I)
_FOR_OTHERS = re.compile(
    r"\b(?:who (?:here )?knows|does any(?:one|body)|has any(?:one|body)|can any(?:one|body)"
    r"|ask (?:the )?(?:community|others|members|around)|any(?:one|body) (?:with|who)"
    r"|recommend(?:ations?)?|what do others|(?:any|some) (?:ideas|tips|advice|input|thoughts)"
    r"|find (?:me|us)|(?:looking|searching) for (?:some(?:one|body)|people|advice|help|a)"
    r"|how do others"
    r"|(?:need|could use|want) (?:some )?(?:advice|help|input|tips) (?:on|with|about)"
    r"|(?:curious|wondering) (?:if|whether|how|what) (?:any\w*|others|people))\b",
    re.I,
)
_NO = re.compile(
    r"\b(?:no idea|not me|not my (?:thing|area|field)|can't help|cannot help|not interested"
    r"|pass on (?:this|that)|no thanks|nothing on that|don't know|no clue|i'll pass"
    r"|skip (?:it|that))\b",
    re.I,
)
_JUST_NO = re.compile(r"(?:no|nope|nah|pass|sorry,? no)\b[ ,.!]*(?:sorry|thanks)?[ .!]*", re.I)
_JUST_YES = re.compile(
    r"(?:yes|yep|yeah|yup|sure|i do|absolutely|ok|okay|happy to(?: help)?|of course)\b[^?]{0,25}",
    re.I,
)
_LOOK_INTO = re.compile(
    r"\b(?:look into|research|find a (?:\w+ ){0,3}"
    r"(?:way|tool|solution|vendor|provider|supplier|software|agency|system))\b",
    re.I,
)
_CANCEL = re.compile(
    r"\b(?:cancel|never ?mind|forget|scrap|drop)\b.*\b(?:my|the|that|it|about|question)\b"
    r"|\bdon't need (?:it|that|an answer) (?:any ?more|any longer)\b",
    re.I,
)
_OUTCOME = re.compile(
    r"\b(?:helped|helpful|useful|worked|saved|went with|we used|solved|fixed|did(?:n't| not)"
    r"(?: really)? help|no use|not really|exactly what)\b",
    re.I,
)
_EXPERT = re.compile(
    r"\b(?:i know (?:a lot |a bit |a thing or two |plenty )?about"
    r"|i(?:'m| am) (?:pretty |quite )?good (?:at|with)|i know|my (?:thing|field|area|expertise) is"
    r"|ask me about|i speciali[sz]e in)"
    r" (?P<v>(?!that\b|what\b|how\b|you\b|who\b|it\b)[a-z][a-z ,&-]{2,60})",
    re.I,
)
_INTRODUCE = re.compile(r"\b(?:introduc\w*|intro|connect me|put me in touch|meet)\b", re.I)
_REMIND = re.compile(r"\b(?:remind me|set (?:me )?a reminder|look (?:it|that) up|google)\b", re.I)
_NEWS = re.compile(r"\b(?:what'?s (?:new|up)|any news|anything (?:new|for me))\b", re.I)
_WHO_ELSE = re.compile(
    r"\b(?:who else|who(?:'s| is| are)(?: all)? (?:here|in (?:here|it|this))"
    r"|(?:is|are) .{2,40} (?:a )?members?)\b",
    re.I,
)
_WHAT_FOR = re.compile(
    r"\b(?:what (?:can|do) you do|how does this work|what is this|what can i|help me with"
    r"|who are you)\b",
    re.I,
)
_HELPED, _KNOWS = "Did that help?", "Is that something you know about?"
#: Tools whose turn is about an item already.
_ABOUT_ITEMS = frozenset(
    {"record_answer", "report_outcome", "decline_item", "accept_intro", "report_intro"}
)
_STOP_WORDS = re.compile(
    r"\b(?:who|knows|does|anyone|anybody|has|can|here|about|with|have|the|a|an|and|or|for|"
    r"to|of|in|on|is|are|do|we|our|my|i|need|know|good|recommend|ask|community|others|"
    r"members|around|experience|any|what|how|which|you|please|it|that|this|from|use|"
    r"used|using|should|would|someone|somebody|looking|searching|done|wondering|curious|if|whether|"
    r"switched|find|me|us|could|some|advice|tips|ideas|help|input|thoughts|handle|people|hey|there|just|one)\b"
)


def next_move(turn: Turn) -> Move:
    """The next tool, or an answer that shows the text was read and promises nothing."""
    if "bring_up" in turn.card:
        return Move(
            "An item is to be brought up.", _brought_up(_items(turn)[turn.card["bring_up"][0] - 1])
        )
    if "follow_up" in turn.card:
        intro = turn.card["intros"][turn.card["follow_up"] - 1]
        return Move("I ask what became of it.", introductions.asked_after(intro))
    if "silent" in turn.card:
        return Move("I see no reason to write.", "(silence)")
    if not turn.calls and turn.tools and turn.words and (tool := _tool(turn)) is not None:
        return Move("They want something I can do.", "", tool)
    words = _after_tools(turn) or _text(turn)
    if (item := _to_mention(turn)) is None:
        return Move("I answer.", words)
    if "mention_item" not in turn.calls and "mention_item" in turn.tools:
        return Move(
            "I answer, and bring something up.", "", ("mention_item", {"item": item["item"]})
        )
    aside = _brought_up(item)
    return Move("I answer.", f"{words}\n\nBy the way, {aside[0].lower()}{aside[1:]}")


def _to_mention(turn: Turn) -> JSON | None:
    """The item that an answer brings up, once it is about something else."""
    place = turn.card.get("may_mention")
    if (
        not place
        or _ABOUT_ITEMS & turn.calls.keys()
        or "error" in turn.calls.get("mention_item", {})
    ):
        return None
    if not turn.tools and "mention_item" not in turn.calls:
        return None
    return next((item for item in _items(turn) if item["item"] == place), None)


def _tool(turn: Turn) -> tuple[str, JSON] | None:
    said = " ".join(" ".join(turn.words).split())
    last = turn.last_said or ""
    shown = [item for item in _items(turn) if item.get("brought_up")]
    questions = [i for i in shown if _is_question(i) and not i.get("answered_by_them")]
    answers = [i for i in shown if "answer" in i]
    if wanted := wish(said, turn.card):
        return wanted
    if _CANCEL.search(said) and (requests := turn.card.get("requests")):
        return "cancel_request", {"request": _meant(said, requests, "question")["request"]}
    if about := introductions.tool(said, last, turn.card):
        return about
    short = _JUST_NO.fullmatch(said) or _JUST_YES.fullmatch(said)
    if answers and _HELPED in last and (short or _OUTCOME.search(said) or _NO.search(said)):
        return "report_outcome", {"item": _meant(last, answers, "answer")["item"]}
    asked = _KNOWS in last
    if questions and (_NO.search(said) or (asked and _JUST_NO.fullmatch(said))):
        return "decline_item", {"item": _meant(last, questions, "question")["item"]}
    if _LOOK_INTO.search(said) and len(said.split()) >= 5:
        return "research_solution", {"need": said[:500].ljust(10, ".")}
    if _FOR_OTHERS.search(said):
        return "ask_community", _question(said)
    if answers and _OUTCOME.search(said):
        return "report_outcome", {"item": _meant(said, answers, "answer")["item"]}
    goes_on = [item for item in _items(turn) if item.get("may_add")]
    if goes_on and len(said.split()) >= 4 and not said.endswith("?"):
        whole = f"{goes_on[0].get('their_answer')}. {said}"
        return "record_answer", {"item": goes_on[0]["item"], "summary": whole[:600]}
    if questions and _is_answer(said) and (meant := _only_meant(said, last, questions)):
        return "record_answer", {"item": meant["item"], "summary": said[:600]}
    if (expert := _EXPERT.search(said)) and not said.endswith("?"):
        areas = re.split(r",| and |&", expert["v"])
        return "set_expertise", {"areas": [a.strip() for a in areas if a.strip()]}
    return None


def _is_question(item: JSON) -> bool:
    return "open" in item and "person" not in item


def _is_answer(said: str) -> bool:
    return len(said.split()) >= 6 and not said.endswith("?")


def _only_meant(said: str, last: str, questions: list[JSON]) -> JSON | None:
    """The one question that a text answers: the only one, the one just asked, or the one whose
    words it uses; None when that is not clear."""
    if len(questions) == 1:
        return questions[0]
    just = [q for q in questions if _KNOWS in last and _line(q.get("question", "")) in last]
    if len(just) == 1:
        return just[0]
    best, second = sorted((_shared(said, q.get("question", "")) for q in questions), reverse=True)[
        :2
    ]
    return _meant(said, questions, "question") if best > second else None


def _meant(said: str, things: list[JSON], key: str) -> JSON:
    """The one whose words are used most; the first of equals."""
    return max(things, key=lambda thing: _shared(said, str(thing.get(key) or "")))


def _shared(one: str, other: str) -> int:
    words = (set(re.findall(r"\w{3,}", _STOP_WORDS.sub("", t.casefold()))) for t in (one, other))
    return len(set.intersection(*words))


def _question(said: str) -> JSON:
    asked = re.sub(
        r"^(?:(?:hi|hey|hello|please|can you|could you|quick (?:one|question)|so|ok)\b[,:!. ]+)+",
        "",
        said,
        flags=re.I,
    )
    plain = re.sub(r"\w+['\u2019]\w+", "", asked.casefold())  # "we're" is about nothing
    words = re.findall(r"[\w-]+", _STOP_WORDS.sub("", plain))
    tags = list(dict.fromkeys(w for w in words if len(w) > 1))[:5] or ["advice"]
    return {
        "question": asked[:500].ljust(10, "."),
        "about": " ".join(tags[:4])[:100].ljust(3, "."),
        "expertise": tags,
    }


def _after_tools(turn: Turn) -> str | None:
    """The answer when a tool was used."""
    done = {
        "ask_community": "I'll ask members who may know. I can't say whether somebody answers.",
        "research_solution": "I'll have that looked into. I can't say yet what comes of it.",
        "record_answer": "Thanks, I've noted your answer.",
        "report_outcome": "Thanks, I'll pass that on.",
        "decline_item": "OK, I'll leave that one.",
        "cancel_request": "OK, that question is closed.",
        "set_expertise": "Thanks, noted.",
        "set_quiet_hours": "OK, I'll keep to that.",
        "set_pace": "OK, I'll keep to that.",
        "set_time_zone": "Thanks, I'll go by your time there.",
        "set_linkedin": "Thanks, noted.",
        "set_goal": "Thanks, I'll keep that in mind.",
        "not_now": "OK, I'll leave you in peace for a while.",
    }
    for name, result in turn.calls.items():
        if (words := introductions.after(name, result)) is not None:
            return words
        if "error" in result:
            return "I couldn't do that. Could you say it another way?"
        if name == "record_answer" and result.get("added"):
            return "Thanks, I've added that."
        if name == "record_answer" and "closed" in str(result.get("the_question_is")):
            return "Thanks, I've noted it. The question is closed already."
        if name in done:
            return done[name]
    return None


def _items(turn: Turn) -> list[JSON]:
    items: list[Any] = turn.card.get("items") or []
    return [item for item in items if isinstance(item, dict)]


def _brought_up(item: JSON) -> str:
    if "person" in item:
        return introductions.brought_up(item)
    if "answer" in item:
        asked = "" if item.get("brought_up") else f" {_HELPED}"
        return f"There is an answer to your question: {_line(item['answer'])}{asked}"
    if "recommendation" in item:
        return f"On what you wanted looked into: {_line(item['recommendation'])}"
    if "outcome" in item:
        return _line(item["outcome"])
    return f"A member asks: {_line(item.get('question', ''))} {_KNOWS}"


def _line(words: str) -> str:
    line = " ".join(words.split())[:300]
    return line if line.endswith((".", "?", '"')) else f"{line}."


def _text(turn: Turn) -> str:
    picture = "I can't open pictures or files here." if turn.media else ""
    if not turn.words:
        return f"{picture} Could you write it out?".strip()
    said = " ".join(turn.words[-1].split())
    words = set(re.findall(r"\w+", said.casefold()))
    thanked = bool(words & GRATITUDE) and len(words) <= 6 and not said.endswith("?")
    if (asked := _asked_back(turn, said)) is not None:
        answer = asked
    elif said.casefold().strip(" .!?") in CHATTER or len(words) <= 1 or thanked:
        if words & GRATITUDE:
            answer = "You're welcome."
        elif words & GREETING:
            answer = "Hi, what do you need?"
        else:
            answer = "OK."
    elif _REMIND.search(said):
        answer = "I can't set reminders or search. I can ask members who may know."
    elif _NEWS.search(said):
        answer = "There is nothing new from me. What do you need?"
    elif _WHO_ELSE.search(said):
        answer = "I can't say anything about who else is here."
    elif _INTRODUCE.search(said):
        answer = "I can't introduce anyone on request. I can ask members who may know."
    elif _WHAT_FOR.search(said):
        answer = (
            "Write what you want to know and I ask members who may know it. I also bring you what"
            " others ask, and what came of your answers."
        )
    elif _BOT.search(said) and said.rstrip().endswith("?"):
        answer = "I'm Yachtparty's AI assistant."
    elif said.endswith("?"):
        answer = "I don't have an answer to that, and I can't look things up from here yet."
    elif (quote := _quote(said)) is not None:
        answer = f'I read "{quote}", but I can\'t act on it from here yet.'
    else:
        answer = "I read what you wrote, but I can't act on it from here yet."
    return f"{picture} {answer}".strip()


def _asked_back(turn: Turn, said: str) -> str | None:
    """What has to be asked before anything can be done with a text."""
    questions = [
        item
        for item in _items(turn)
        if item.get("brought_up") and _is_question(item) and not item.get("answered_by_them")
    ]
    if questions and _JUST_YES.fullmatch(said) and _KNOWS in (turn.last_said or ""):
        return "Good. What would you tell them?"
    if len(questions) > 1 and _is_answer(said):
        return "Which of the questions is that about?"
    return None


def _quote(said: str) -> str | None:
    """The beginning of their words, up to a whole word; None when they are better not repeated."""
    first = re.split(r"(?<=[.!?;])\s", said)[0].rstrip(" .!?;,")
    if len(first) > MAX_QUOTE:
        first = first[:MAX_QUOTE].rsplit(" ", 1)[0].rstrip(" ,;")
    if not first or "!" in first or _NOT_QUOTED.search(first) or not first.isprintable():
        return None
    return first
