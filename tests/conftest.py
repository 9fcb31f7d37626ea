"""Fixtures for every test."""

from collections.abc import Iterator

import pytest

from tests.support.stack import StackUnderTest, running_stack

pytest_plugins = ["tests.support.database"]


@pytest.fixture(scope="session")
def stack() -> Iterator[StackUnderTest]:
    """One real stack for the whole session; tests use phone numbers of their own in it."""
    with running_stack() as running:
        yield running
