"""The vocabulary of members' talk: what is a title, what is never a name, what says nothing."""

import re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: A phrase with one of these in it is a job title.
TITLE = _set(
    "cto ceo coo cfo cmo cpo cio ciso cro chro chief founder co-founder cofounder president vp svp "
    "evp avp vice-president director head lead manager engineer developer programmer designer "
    "partner principal analyst consultant owner chair chairman chairwoman chairperson associate "
    "architect scientist researcher professor lecturer teacher lawyer attorney counsel accountant "
    "controller banker investor trader broker advisor adviser editor journalist writer producer "
    "recruiter marketer salesperson buyer planner strategist specialist coordinator administrator "
    "officer executive assistant intern trainee apprentice contractor freelancer entrepreneur "
    "doctor physician nurse surgeon pharmacist dentist therapist chemist physicist technician "
    "operator supervisor captain skipper pilot md gm evangelist ambassador swe pm freelance "
    "self-employed retired"
)
#: Titles that "of" joins to a company rather than to a field: "CTO of Acme", not "VP of Sales".
TITLE_OF = _set("cto ceo coo cfo cmo cpo cio ciso cro founder co-founder cofounder president owner")
TITLE_OF |= _set("chair chairman chairwoman md gm")
#: Words that go before a title or after it without being a title on their own.
TITLE_PART = TITLE | _set(
    "senior junior jr sr staff chief vice deputy general managing global regional interim acting "
    "product sales marketing engineering design data software technical technology operations "
    "finance legal people research development business growth revenue customer success of and &"
)

PRONOUN = _set(
    "i you he she they we it this that these those who which me us him her them your my myself mine"
)

#: Where a name or a company ends.
STOP = PRONOUN | _set(
    "and but or so from at with in on of by for to the a an as is was are were be been has have "
    "had told sent referred invited recommended introduced mentioned suggested said here there "
    "who where when why how what because since though thanks thank please btw then also just not "
    "now currently today yesterday via through about over if do does did can could would will "
    "work working works run running based live living looking trying hoping going your our their "
    "his hi hello hey ok okay yes yeah yep no nope sorry actually well um hmm @ & ain't isn't don't"
)

#: What follows "I'm" without being a name.
NOT_NAME = (
    STOP
    | TITLE
    | _set(
        "super very really quite pretty too still always never glad happy sure fine good great "
        "interested excited curious new afraid busy back ready done tired late early free "
        "available "
        "keen eager unsure confused wondering retired unemployed self-employed self employed "
        "student human bot robot real serious kidding joking driving traveling travelling lost out "
        "off up down away ill sick home well alright all right same different one two three some "
        "any everything nothing something anything more less most least much many little few lot "
        "only even ever again already yet soon later maybe perhaps probably definitely absolutely "
        "cool nice awesome wonderful amazing perfect bad wrong right correct true false weird "
        "strange spam scam legit urgent important private personal ignore forget tell give show "
        "send stop start skip help info test testing hmm lol haha idk dunno pending none nobody "
        "noone no-one someone somebody anyone anybody everyone everybody friend colleague boss "
        "picture photo image link file text message number phone email e-mail mail company name "
        "title job role previous prior instructions instruction system prompt verified member "
        "approved admin administrator let see know think mean guess get got want need like love "
        "hate wish hope try make take come go ask asking say saying morning afternoon evening "
        "night day week monday tuesday wednesday thursday friday saturday sunday head senior "
        "junior staff vice deputy managing"
    )
)

#: Small words inside family names.
PARTICLE = _set("van von de der den del della di da dos la le bin ibn al el st mac mc o' ter zu")

#: People one has without naming them.
RELATION = _set(
    "friend colleague coworker co-worker boss manager mentor investor brother sister wife husband "
    "partner client customer cousin neighbour neighbor teammate classmate founder advisor "
    "cofounder "
    "roommate buddy mate mom dad uncle aunt professor"
)

#: Whole texts that say nothing about anybody.
CHATTER = frozenset(
    line.strip()
    for line in """
    hi|hello|hey|yo|hi there|hello there|hey there|good morning|good afternoon|good evening|howdy
    ok|okay|k|kk|sure|yes|yeah|yep|yup|alright|right|fine|cool|great|nice|perfect|awesome|got it
    sounds good|no problem|no worries|will do|of course|thanks|thank you|thx|ty|thanks a lot|cheers
    many thanks|thank you so much|hmm|hm|um|uh|lol|haha|what|huh|wait|one sec|one moment|sec|later
    test|testing|nothing|ping|bye|goodbye|good night|see you|nice to meet you|you too|same|oh|ah|?
    please|go on|go ahead|next|continue|done|ready|hello again|hi again|i see|understood|oops
    never mind
    """.replace("\n", "|").split("|")
    if line.strip()
)
GREETING = _set("hi hello hey yo howdy")
GRATITUDE = _set("thanks thank thx ty cheers")

_SAYS_NOTHING_OF_A_SUBJECT = _set(
    "who knows does anyone anybody has can here about with have the a an and or for to of in on "
    "is are do we our my i need know good recommend ask community others members around "
    "experience any what how which you please it that this from use used using should would "
    "find look looking into way simpler better want help us me"
)


def subjects(said: str) -> list[str]:
    """Up to five words that a question or need seems to be about."""
    words = [word for word in re.findall(r"[\w-]+", said.casefold()) if len(word) > 1]
    telling = [word for word in words if word not in _SAYS_NOTHING_OF_A_SUBJECT]
    return list(dict.fromkeys(telling))[:5] or ["advice"]
