"""What no agent may claim or promise, whoever asks it to (behaviour.md, "Voice and safety").

No introduction, result or date is promised, no deed is claimed that an agent cannot do, no budget
is quoted or asked for, nobody is said to be a member, and nothing is praised. Sentences are told by
their words: in English, where most of the texts are; in other languages the prompt alone asks.

>>> found("I'll introduce you to her. You'll hear back by Friday.")
['promise']
>>> found("I can't promise that anybody answers, nor say whether she is a member.")
[]
"""

import re

_NUMBER = r"(?:a|an|one|two|three|four|five|six|seven|eight|nine|ten|a few|a couple of|\d+)"
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_SPAN = r"(?:seconds?|minutes?|mins?|hours?|days?|weeks?|months?)"
_TIME = (
    rf"(?:tomorrow|tonight|soon|shortly|right away|first thing|any (?:minute|moment|day|time) now"
    rf"|today|(?:by|before|on|this|next) (?:{_DAY}|week|month|year|noon|midnight|morning|afternoon"
    rf"|evening|the weekend|(?:the )?end of)|in no time|within (?:{_NUMBER} |the )?{_SPAN}"
    rf"|in (?:the next )?{_NUMBER} (?:short |more )?{_SPAN})"
)
#: What somebody gets by it; said with a time, it is a promise whoever named the time first.
_GETS = r"(?:hear|get|receive|have|know|be contacted|be introduced|be approved|be in|meet|see)"
_OTHERS = r"(?:somebody|someone|members?|experts?|people|they|he|she)"
_REPLIES = (
    r"(?:come|comes|arrives?|answers?|repl(?:y|ies)|responds?|gets? back|writes?"
    r"|calls?(?! it| that| this))"
)

_PROMISES = (
    r"\b(?:i|we)\b(?:'\w+)?(?: \w+){0,4}? introduc(?:e|ed|ing) (?:you|the two of you|both)\b",
    r"\b(?:i|we)\b(?:'\w+)?(?: \w+){0,4}? (?:connect|connected|match|matched|pair|paired) you\b",
    r"\bput(?:ting)? you (?:two |both )?in (?:touch|contact)\b",
    r"\byou(?:'ll| will|'re going to|'ve been| have been) (?:be )?"
    r"(?:introduced|connected|matched)\b",
    r"\b(?:an|the|your) intro(?:duction)? (?:is|will be|has been) (?:set|sent|made|sorted|coming"
    r"|confirmed|arranged|on (?:its|the) way|scheduled)\b",
    r"\b(?:i|we) (?:can |do |hereby )?(?:promise|guarantee|assure)\b|\bguaranteed?\b"
    r"|\brest assured\b|\b(?:you can|can) count on (?:it|that|me|us)\b|\bwithout fail\b",
    r"(?:'ll| will) (?:definitely|certainly|surely|absolutely|for sure|of course get)\b",
    rf"\byou(?:'ll| will|'re going to| should) {_GETS}\b[^.?]*\b{_TIME}\b",
    rf"\byou (?:get|hear|receive)\b[^.?]*\b{_TIME}\b",
    rf"\b(?<!your )(?:answers?|replies|responses?|{_OTHERS})(?: (?!may|might|can|could)\w+)?"
    rf" {_REPLIES}\b[^.?]*\b{_TIME}\b",
    rf"\b{_OTHERS}(?:'d| would| should)(?: \w+)? {_REPLIES}\b[^.?]*\b{_TIME}\b",
    r"\b(?:i|we)(?:(?:'ll|'m going to| will| can| am going to)(?: \w+)? (?:set up|arrange"
    r"|organi[sz]e|schedule|line up|make|get you)"
    r"|(?:'m|'re| am| are)(?: \w+)? (?:setting up|arranging|making)"
    r"|(?:'ve| have)?(?: \w+)? (?:set up|arranged|organi[sz]ed|scheduled|lined up|made|got you))"
    r"(?: \w+){0,3} (?:intro(?:duction)?s?|meetings?|calls?)\b",
    rf"\b(?:expect|there will be|there'll be)\b[^.?]*\b{_TIME}\b",
)
#: A time is the member's own plan if it is said of them or what is theirs, in their words.
_TIMED = re.compile(
    r"(?P<who>[^.?]*?)(?P<what>(?:'ll| will|(?:'m|'re|'s| am| are| is) going to)\b[^.?]*?"
    rf"\b(?P<time>{_TIME})\b)"
)
_THEIRS = re.compile(r"\b(?:you|your(?: \w+){1,3})$")
#: What an agent does itself, and may say so.
_OWN = re.compile(
    r"(?:'ll|'m going to| will| am going to) (?:\w+ )?(?:ask|pass|put|note|look|leave)\b"
)
_VAGUE = frozenset(["soon", "shortly", "right away"])
#: A decision about somebody, said of itself and not of a day to come ("once you are approved").
_APPROVED = re.compile(
    r"(?:^|[,;:-] ?|\b(?:and|so|but|yes|now|great|congratulations) )"
    r"(?P<what>you(?:'re| are|'ve been| have been)(?: \w+)? (?:approved|accepted))\b"
)
_DEEDS = (
    r"\bi(?:'ve| have)?(?: just| already)? (?:e-?mailed|phoned|booked"
    r"|called (?:them|him|her|you|the)|googled|introduced|(?:spoke|spoken|talked) (?:to|with))\b",
    r"\bi(?:'ll| will)(?: \w+)? (?:remind you|(?:call|e-?mail) (?:you|them|him|her)|phone"
    r"|book (?:a|the|you)|google)\b",
    r"\b(?:set|added) (?:you )?a reminder\b",
    r"\bi(?:'ve| have)?(?: just| already)? (?:sent|gave|given|forwarded|texted) (?!you\b)[^.?]*"
    r"\b(?:e-?mails?|mails?|messages?|text|numbers?|address|contacts?|details|letter|invit\w+)\b",
    r"\bi(?:'ll| will)(?: \w+)? send (?:them|him|her) (?:an? |your )"
    r"(?:e-?mail|mail|message|text|number)\b",
)
#: What others spend may be asked of them for somebody who brought it up.
_SPENT_BY_OTHERS = re.compile(
    r"\bhow much (?:do )?(?:they|others|other \w+|people|companies|members|teams|peers)"
    r"(?: \w+)? (?P<how>spend|pay|invest)\b"
)
_BUDGETS = (
    r"\b(?:your|have an?|got an?|what|which|any|what's the|what is the) (?:\w+ ){0,2}budgets?\b",
    r"\bbudgets?\b[^.?]*(?:\d|\b(?:hundred|thousand|million)\b)|\d[^.?]*\bbudgets?\b",
    r"\bbudgets?\b[^.?]*\?",
    r"\bhow much\b[^.?]*\b(?:spend|pay|afford|invest|set aside|budget)\b",
    r"\bwhat (?:can|could|would) you (?:afford|pay|spend)\b|\bprice range\b",
    r"\b(?:willing|able|ready|planning|prepared) to (?:pay|spend|invest)\b",
)
_MEMBERS = (
    r"(?:\bis|'s|\bare|\bwas|\bisn't|\baren't) (?:also |already |indeed |not |actually |still )?"
    r"(?:a|one of (?:our|the)) (?:\w+ )?members?\b(?!')",
    r"\b(?:is|are|isn't|aren't) (?:also |already |not |indeed )?(?:on|in|with|part of|among)"
    r" (?:yachtparty|(?:the|our) (?:network|community|members?))\b",
    r"\b(?:has|hasn't|have) (?:already )?(?:joined|signed up)\b",
)
_PRAISE = re.compile(
    r"\b(?:amazing|awesome|incredible|fantastic|fabulous|phenomenal|outstanding|spectacular|stellar"
    r"|world[- ]class|best[- ]in[- ]class|cutting[- ]edge|state[- ]of[- ]the[- ]art"
    r"|game[- ]chang\w+|revolutionary|unbeatable|unparalleled|unrivalled|one[- ]of[- ]a[- ]kind"
    r"|once[- ]in[- ]a[- ]lifetime|thrilled|super excited|so excited|delighted|limited[- ]time"
    r"|exclusive (?:offer|access|deal)|act now|don't miss|skyrocket|supercharge|unlock your"
    r"|the (?:very best|greatest|finest|leading|most (?:advanced|powerful|trusted|amazing|exciting"
    r"|innovative|exclusive)))\b"
)
_ATTRIBUTED = re.compile(
    r"\b(?:answers?|answered|says?|said|writes?|wrote|repl(?:y|ied)|asks?|asked|members?|according"
    r"|in their words|advice|suggest(?:s|ed)?|recommend(?:s|ed)?|experience|came of)\b"
)
_HEDGED = re.compile(
    r"n't\b|\bcannot\b|\bnot\b|\bnever\b|\bunable\b|\bwhether\b|\bno (?:promise|guarantee)"
    r"|\bnor\b|\bneither\b"
)
_SENTENCE = re.compile(r"[^.?!\n]+[.?!]*")


def found(text: str, *, said: str = "", relayed: str = "") -> list[str]:
    """Which of `promise`, `deed`, `budget`, `member` and `praise` a text makes, in this order.

    `said` is everything the agent was shown; `relayed` what other members said, which may be
    repeated as what it is: an answer, a question, something that somebody said.
    """
    words = " ".join(text.casefold().split())
    said, relayed = (" ".join(shown.casefold().split()) for shown in (said, relayed))
    if not _ATTRIBUTED.search(words):
        relayed = ""
    broken = {
        code
        for sentence in _SENTENCE.findall(words)
        for code in _of_sentence(sentence, said, relayed)
    }
    return [code for code in ("promise", "deed", "budget", "member", "praise") if code in broken]


def _of_sentence(sentence: str, said: str, relayed: str) -> list[str]:
    codes = []
    asks, hedged = sentence.endswith("?"), bool(_HEDGED.search(sentence))
    if not (asks or hedged):
        promised = _match(_PROMISES, sentence, relayed)
        timed = _TIMED.match(sentence)
        if timed and timed["what"] not in relayed:
            promised = promised or not _may_be_timed(timed, sentence, said)
        approved = _APPROVED.search(sentence)
        promised = promised or bool(approved and approved["what"] not in said)
        if promised:
            codes.append("promise")
        if _match(_DEEDS, sentence, relayed):
            codes.append("deed")
    others = _SPENT_BY_OTHERS.search(sentence)
    money = _SPENT_BY_OTHERS.sub(" ", sentence) if others and others["how"] in said else sentence
    if not hedged and _match(_BUDGETS, money, relayed):
        codes.append("budget")
    # That somebody is none says as much as that they are one.
    denied = "isn't" in sentence or "aren't" in sentence or " not a" in sentence
    if not asks and (denied or not hedged):
        about = next((f for p in _MEMBERS if (f := re.search(p, sentence))), None)
        if about and about[0] not in relayed and not _is_known(sentence[: about.start()]):
            codes.append("member")
    if any(praise not in said for praise in _PRAISE.findall(sentence)):
        codes.append("praise")
    return codes


def _may_be_timed(timed: re.Match[str], sentence: str, said: str) -> bool:
    """Whether a time is of the member's own plan, of what they ask about, or of an agent's own
    next step and vague."""
    if timed["time"] in said and _THEIRS.search(timed["who"]):
        return True
    if not _OWN.match(timed["what"]) or len(re.findall(r"'ll\b|\bwill\b", sentence)) > 1:
        return False
    before, after = timed["what"][: -len(timed["time"])], sentence[timed.end() :]
    about = after.startswith(("'s ", "\u2019s ")) or re.search(r"\babout (?:\w+ ){0,4}$", before)
    return timed["time"] in _VAGUE or bool(timed["time"] in said and about)


def _match(patterns: tuple[str, ...], sentence: str, relayed: str) -> bool:
    return any(
        match[0] not in relayed for pattern in patterns for match in re.finditer(pattern, sentence)
    )


def _is_known(before: str) -> bool:
    """Whether the subject, which ends `before`, is the one who is spoken to, or the speaker."""
    last = re.findall(r"[\w']+", before)[-1:]
    return not last or last[0] in ("you", "i", "we", "it", "yachtparty", "this", "everyone", "who")
