"""What holds for every end-to-end test."""

from collections.abc import Iterator

import pytest

from tests.support.texting import private_words_in_logs, stacks_spoken_to


@pytest.fixture(autouse=True)
def nothing_private_in_any_log() -> Iterator[None]:
    """No process of a stack has logged a number, an address or a text of this test or an earlier
    one, whatever was done to it."""
    yield
    for directory in stacks_spoken_to():
        assert private_words_in_logs(directory) == {}
