"""The turns of phrase that carry a detail, as patterns; all are matched with plain quotes."""

import re

EMAIL = re.compile(
    r"(?:(?:my|the|work|business|company|office|new|best|is|at|and|it's|e-?mail|email address"
    r"|address)[\s:]+)*"
    r"(?<![\w.+-])(?P<v>[a-z0-9][\w.+%-]*@(?:[a-z0-9-]+\.)+[a-z]{2,63})\b",
    re.IGNORECASE,
)
LINKEDIN = re.compile(
    r"(?:my\s+)?(?:linkedin(?:\s+(?:profile|is))*[\s:]+)?"
    r"(?P<v>(?:https?://)?(?:[a-z]{2,3}\.)?linkedin\.com/in/[\w%.~-]*[\w%~])/?(?:\?\S*)?",
    re.IGNORECASE,
)
URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)

_OPENER = (
    r"(?:what(?:'s)?|who(?:'s|se)?|how(?:'s)?|why|when|where|which|are (?:you|u|there|we)"
    r"|is (?:this|it|that|there|yachtparty)|am i|do (?:you|u|i|we)|does (?:it|this|that)"
    r"|did (?:you|u|i)|can (?:you|u|i|we)|could (?:you|u|i)|will (?:you|u|i|it|this|there)"
    r"|would (?:you|u|it|i)|should i|shall i|have you|is|are|does|did|has|was|were|will|wtf|r u)\b"
)
_LEAD = (
    r"(?:(?:and|but|so|also|btw|by the way|wait|hey|hi|hello|ok|okay|sorry|um|oh|well|yes|no|thanks"
    r"|first|actually|quick question)\b[,:;.]*\s+)*"
)
QUESTION = re.compile(
    rf"(?:(?:^|(?<=[\x1f\n,;:!?(])|(?<=\s-)|\b(?:and|but|so)\b)\s*{_LEAD}{_OPENER}[^?!;\n\x1f]*\?+)"
    rf"|(?:(?:^|(?<=[\x1f\n;:!?])|(?<=,))\s*{_LEAD}(?:what(?:'s| is| are| does| exactly)? "
    r"(?:is |are )?(?:this|that|it|yachtparty|the|you|these)\b|what do you\b"
    r"|who(?: is|'s| are) (?:this|that|you|behind)\b|how (?:does|do|did|much|long|many|can|will)\b"
    r"|what for\b|why\s*$"
    r"|are (?:you|u)\b|r u\b|is (?:this|it|that|there) (?!(?:my|jane)\b)|why\b(?: do| does| should"
    r"| are| is| would)|can (?:you|u|i)\b|could you\b|do (?:you|u|i)\b|am i\b|does it\b"
    r"|will (?:i|you)\b|should i\b|wtf\b)[^?!;,\n\x1f]*)",
    re.IGNORECASE,
)

REFUSED = re.compile(
    r"\b(?:(?:i'd |would )?(?:rather|prefer) not|(?:i )?won't|don't want|not comfortable|skip|pass"
    r"|none of your|no thanks|no thank you|can't (?:say|tell|remember|recall)"
    r"|(?:don't|do not|dont) (?:know|remember|recall|have)|dunno|idk|not sure|forgot|private"
    r"|secret)\b",
    re.IGNORECASE,
)
CORRECTION = re.compile(
    r"\b(?:actually|correction|i mean|i meant|oops|my bad|should be|make that|change|instead"
    r"|typo|wrong|not\s+\w+,?\s+but|sorry)\b|,?\s+not\s+\w+\s*$|^\s*no,",
    re.IGNORECASE,
)

_SOURCE = (
    r"(?:\s+(?:about|of|out|you|u|this|it|that|yachtparty|y'all|guys|the\s+(?:group|network|number"
    r"|place|community)|your\s+number|over|here|in|to|by))*"
)
REFERRED_BY = re.compile(
    rf"(?:\b(?:i|i'm|i've|was|were|got|been|am|we|have)\s+)*\b(?:referred|sent|invited|recommended"
    rf"|introduced|pointed|told|brought|referral){_SOURCE}\s*(?:\bby|\bfrom|\bthrough|\bvia|:)\s+",
    re.IGNORECASE,
)
HEARD = re.compile(
    rf"(?:\bi\s+)?\b(?:(?:heard|found|find|learned|learnt|read|know|knew|saw|seen|discovered|got)\b"
    rf"{_SOURCE}|came across{_SOURCE})\s+(?:from|through|via|thru|on|at|in)\s+",
    re.IGNORECASE,
)
REFERRER_IS = re.compile(
    r"\b(?:(?:my|the)\s+)?(?:referrer|referral|ref|source)(?:\s+name)?\s*(?:is|was|:|=)\s*"
    r"|\b(?:a\s+)?friend\s+of\s+",
    re.IGNORECASE,
)
NAME_SENT = re.compile(
    r"\s*(?:\b(?:who|just|has|had|also|kindly|actually|is the one who|was the one who)\s+)*"
    r"\b(?:told|sent|referred|invited|recommended|introduced|pointed|mentioned|suggested|forwarded"
    r"|gave|passed|shared|put|brought|got|connected|said|says|tells)\s+"
    r"(?:me|us|you|u|this|it|your|about|yachtparty|that|i|to)\b[^;,\n?!\x1f]*?(?=[;,\n?!\x1f]|$"
    r"|\b(?:and|but)\b|\bi'm\b|\bmy name)",
    re.IGNORECASE,
)
NOBODY = re.compile(
    r"\b(?P<v>nobody|no one|no-one|noone)\b(?:\s+(?:did|really|in particular|specific|special"
    r"|referred|sent|told|invited|recommended|introduced|else))*(?:\s+(?:me|us))?"
    r"|\b(?:i\s+)?(?:found|came across|discovered)[^;,\n]*?\b(?P<self>myself|on my own)\b",
    re.IGNORECASE,
)
NOT_REFERRED = re.compile(
    r"\b(?:(?:i\s+)?(?:wasn't|was not|weren't|am not|not)\s+(?:referred|sent|invited)"
    r"(?:\s+by\s+(?:anyone|anybody))?|(?:don't|do not) have a referr(?:er|al)"
    r"|no\s+(?:referrer|referral)\b)",
    re.IGNORECASE,
)
JUST_NO = re.compile(r"\s*(?P<v>no|nope|none|n/a|na|nah|naw)(?:\s*$|\s*[;,!])", re.IGNORECASE)
EXPERTISE = re.compile(
    r"\b(?:my expertise (?:is|are|:)(?: in)?|expertise:|i know (?:a lot|most|lots) about"
    r"|i speciali[sz]e in|i'm (?:an )?expert (?:in|on|at)|i'm (?:really |very )?good (?:at|with)"
    r"|i know best(?: is)?:?)\s+(?P<v>[^;\n?!\x1f]+)",
    re.IGNORECASE,
)
FIELD_IS = re.compile(
    r"\b(?:my\s+|the\s+)?(?P<field>first name|last name|surname|family name|full name|name|company"
    r"|company name|employer|organi[sz]ation|job title|title|role|position|job)\s*"
    r"(?:\bis\b|'s\b|:|=|\bshould be\b)\s*(?:actually\s+|called\s+|the\s+|a\s+|an\s+)*",
    re.IGNORECASE,
)
INTRO = re.compile(
    r"(?P<how>\bi'm|\bim|\bi am|\bthis is|\bmy name's|\bmy name is|\bname's|\bcall me|\bi go by"
    r"|\bit's|\bits|\bit is|\bthat's|\bactually|\bcorrection|\bi meant?|\bsorry|\bmake that"
    r"|\bshould be|^no)"
    r"[,:;]?\s+(?:(?:actually|called|just|it's|it is|that's|i'm|my name is|is|dr\.?|mr\.?|ms\.?"
    r"|mrs\.?|prof\.?)[,:]?\s+)*",
    re.IGNORECASE,
)
IS_MY_NAME = re.compile(r"\s+is my (?P<which>first|given|last|family) name\b", re.IGNORECASE)
EXPLICIT = frozenset({"my name's", "my name is", "name's", "call me", "i go by"})
VAGUE = frozenset(
    {"it's", "its", "it is", "that's", "actually", "correction", "i mean", "i meant", "sorry"}
) | {"make that", "should be", "no"}
NOT_BUT = re.compile(r"\bnot\s+(?P<old>[^;,\n?!\x1f]+?),?\s+but\s+(?P<new>[^;,\n?!\x1f]+)", re.I)
NEW_NOT = re.compile(r"(?P<new>[^;,\n?!\x1f]+?),?\s+not\s+(?P<old>[^;,\n?!\x1f]+)", re.I)
NEW_LEAD = re.compile(
    r"^\s*(?:(?:no|actually|sorry|oops|correction|wait|it's|it is|its|i'm|i am|my|last|first|full"
    r"|name|company|title|is|i mean|i meant|the|at|that's)\b[,:]?\s+)+",
    re.IGNORECASE,
)
WORK_AT = re.compile(
    r"(?:\b(?:i'm|im|i am|i)\s+)?(?:\b(?:currently|now|actually)\s+)*"
    r"\b(?:work|working|employed|based|consult|consulting)\s+(?:at|for|with|@)\s*(?=\w)"
    r"|\b(?:i'm|im|i am)\s+(?:(?:now|currently|actually)\s+)*(?:at|with|from)\s+(?=\w)"
    r"|(?:^|(?<=[\x1f;,\n(]))\s*(?:(?:now|currently)\s+)?(?:at|with|from|@)\s+(?=\w)|@\s*(?=\w)",
    re.IGNORECASE,
)
RUN = re.compile(
    r"\bi\s+(?:(?:just|also|currently|now)\s+)?"
    r"(?:run|own|founded|started|lead|co-founded|cofounded)\s+(?=\w)",
    re.IGNORECASE,
)
TITLE_LEAD = re.compile(
    r"(?:(?:and|but|also|so|well|hi|hey|hello|ok|yes|oh|sure|currently|now|actually|a|an|the|as|i'm|im"
    r"|i am|it's|its|i|do|work|working|serve|serving|in|my|was|am)\s+)*",
    re.IGNORECASE,
)
AT = re.compile(r"\s+(?:at|@|for|with|of|from)\s+|\s*@\s*", re.IGNORECASE)
AS_TITLE = re.compile(r"\s+as\s+(?:a|an|the)?\s*", re.IGNORECASE)
ANSWER_LEAD = re.compile(
    r"^(?:(?:it's|its|it is|it was|was|that's|that would be|yes|yeah|yep|sure|ok|okay|well|oh"
    r"|hi|hey|hello|um|hmm|from|via|through|by|my friend|my colleague|my boss|i know|i met|met|my"
    r"|thanks|so)\b(?:[,:]?\s+|$))+",
    re.IGNORECASE,
)
BESIDE = " ,;\x1f\n-"
SPLIT = re.compile(r"\s*(?:,|;|/|&|\band\b|\x1f|\n)\s*", re.IGNORECASE)
