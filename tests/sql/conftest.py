"""Fixtures of the SQL tests."""

from collections.abc import Iterator

import pytest

from tests.support.rpc import Rpc
from tests.support.sessions import Sessions


@pytest.fixture
def rpc(shared_database: str) -> Iterator[Rpc]:
    """A session on every PostgreSQL version found, in a transaction that is never committed.

    That takes a hundredth of the time of a database of its own. Tests with several sessions take
    `database` or `any_database` instead, since nobody else sees what this one does.
    """
    session = Rpc(shared_database)
    with session.connection.transaction(force_rollback=True):
        yield session
    session.close()


@pytest.fixture
def sessions(any_database: str) -> Iterator[Sessions]:
    """Several sessions on a fresh database, on every PostgreSQL version found."""
    opened = Sessions(any_database)
    yield opened
    opened.close()
