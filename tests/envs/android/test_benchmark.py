"""The environment's own benchmark counts what it says it counts; how fast it is, `make bench` measures."""

from functools import partial

import pytest

from envs.android.benchmark import steps_per_second
from envs.android.env import OpenAppEnv


@pytest.mark.parametrize("with_reward_frames", [False, True])
def test_it_steps_as_often_as_it_says_and_renders_only_what_is_asked_for(monkeypatch, with_reward_frames):
    env = OpenAppEnv()
    calls = {"step": 0, "reward_frame": 0}
    for name in calls:

        def counted(method, name, *arguments):
            calls[name] += 1
            return method(*arguments)

        monkeypatch.setattr(env, name, partial(counted, getattr(env, name), name))
    speed, success = steps_per_second(env, 300, with_reward_frames, seed=1)
    env.close()
    assert calls == {"step": 300, "reward_frame": 300 * with_reward_frames}
    assert speed > 0
    assert 0.0 <= success < 0.4
