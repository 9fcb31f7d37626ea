"""Fixtures for every test."""

import os
from collections.abc import Iterator

import hypothesis
import pytest

from tests.support.stack import StackUnderTest, running_stack

# Properties are tried with the same examples every time, so that a red run is red again;
# HYPOTHESIS_PROFILE=explore looks for new ones. How long an example takes says something about the
# machine, and nothing about the property.
hypothesis.settings.register_profile(
    "same",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

pytest_plugins = ["tests.support.database"]


@pytest.fixture(scope="session")
def stack() -> Iterator[StackUnderTest]:
    """One real stack for the whole session; tests use phone numbers of their own in it."""
    with running_stack() as running:
        yield running
