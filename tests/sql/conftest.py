"""Fixtures of the SQL tests."""

from collections.abc import Iterator

import pytest

from tests.support.rpc import Rpc


@pytest.fixture
def rpc(any_database: str) -> Iterator[Rpc]:
    """A session on a fresh database, on every PostgreSQL version found."""
    session = Rpc(any_database)
    yield session
    session.close()
