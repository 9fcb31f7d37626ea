"""One module per agent. Each has `decide(turn, complete, deadline) -> UnitOfWork`.

routing.py names the agent of a member, context.py writes a turn down for the model, loop.py talks
with the model and checks what it says, tools.py turns pydantic models into tools. The prompts are
in prompts/.
"""
