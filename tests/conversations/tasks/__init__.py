"""The tasks, a module for each theme. Every module here has a list `TASKS`."""

import pkgutil
from importlib import import_module

from tests.conversations.task import Task

ALL: list[Task] = [
    task
    for module in pkgutil.iter_modules(__path__)
    for task in import_module(f"{__name__}.{module.name}").TASKS
]
