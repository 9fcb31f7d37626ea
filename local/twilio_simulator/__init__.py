"""A simulator of Twilio's programmable messaging, and of the phones at the other end.

What the back end sees is the real thing's shape: the REST resource Messages (create, list,
fetch) behind Basic auth, signed webhooks for inbound texts, signed status callbacks. What a
person or a test sees is `/_sim`: text as any phone, read every phone, break things on purpose.

    settings   the variables it is configured by
    store      messages, changes and opt-outs in SQLite; survives restarts
    segments   how many SMS a body takes
    keywords   STOP, START and HELP as Twilio itself answers them
    wire       Twilio's JSON: messages, pages, errors, dates
    rest       the REST resource
    outgoing   what happens to an accepted message: statuses and their callbacks
    incoming   what happens to a text from a phone: keywords and the webhook
    webhooks   one signed POST, its retries and its configured misfortunes
    control    the faults that can be asked for
    phones     `/_sim`: messages, the live stream, inbound texts, control
    app        all of it as one Starlette application
"""
