"""The environment is fast enough to train on; `python -m envs.android.benchmark` measures properly."""

import pytest

from envs.android.benchmark import steps_per_second
from envs.android.env import OpenAppEnv


@pytest.mark.parametrize("with_reward_frames", [False, True])
def test_it_is_an_order_of_magnitude_faster_than_any_real_device(with_reward_frames):
    env = OpenAppEnv()
    steps_per_second(env, 500, with_reward_frames)  # draws icons and screens for the first time
    speed, success = steps_per_second(env, 1000, with_reward_frames, seed=1)
    env.close()
    assert speed > 300  # thousands on a quiet core; this much on a busy one
    assert 0.0 < success < 0.3
