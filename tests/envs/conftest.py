"""What tests of environments share."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def home_kept_open() -> Iterator[None]:
    """A home that is open all the while, so that those which open and close beside it share its GL context."""
    from envs.playhouse import PlayhouseEnv

    env = PlayhouseEnv("find", "small")
    yield
    env.close()
