"""Environments that close themselves after the test."""

import pytest

from envs.playhouse import PlayhouseEnv


@pytest.fixture
def make():
    made = []

    def build(*args, **settings):
        made.append(PlayhouseEnv(*args, **settings))
        return made[-1]

    yield build
    for env in made:
        env.close()
