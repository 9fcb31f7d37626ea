"""A simulator of Anthropic's Messages API that plays this product's agents by rules.

It is no language model. It answers at once, the same way every time, from the words it is given,
and refuses what the real API refuses. Tests script its answers and break it on purpose.

    settings   the variables it is configured by
    validate   what the real API refuses
    blocks     answers in the API's shape: blocks, ids, signatures
    usage      token counts and the prompt cache
    prompt     a request of our agents, read back
    words      the vocabulary of onboarding talk
    phrases    where names, companies and titles begin and end in a text
    facts      what a member's texts say about them
    bouncer    what the bouncer would do next
    concierge  what the concierge would say
    control    faults, scripted answers, delays
    app        all of it as one Starlette application
"""
