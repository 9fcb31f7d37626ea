"""What is deployed: every function by its name, each in a module of its own under functions/.

`functions-framework --target NAME --source main.py` finds a function here. Modules are imported
only when their function is asked for, so the webhook never loads what only the processor needs.
"""

from importlib import import_module
from typing import Any

#: Name of each function = name of its module = name of its entry point.
FUNCTIONS = (
    "twilio_webhook",
    "twilio_status",
    "email_webhook",
    "event_processor",
    "event_sweeper",
    "task_processor",
    "message_orchestrator",
)


def __getattr__(name: str) -> Any:
    """The entry point of one function (PEP 562)."""
    if name in FUNCTIONS:
        return getattr(import_module(f"functions.{name}"), name)
    raise AttributeError(f"module 'main' has no function {name!r}")
