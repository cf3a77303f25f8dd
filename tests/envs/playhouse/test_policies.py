import numpy as np
import pytest

from envs.playhouse.errors import UnknownNameError
from envs.playhouse.policies import make_policy

pytestmark = pytest.mark.usefixtures("home_kept_open")


def success(env, name, seeds):
    policy = make_policy(name, env, np.random.default_rng(0))
    reached = 0
    for seed in seeds:
        env.reset(seed=seed)
        policy.reset()
        done = False
        while not done:
            _, _, terminated, truncated, info = env.step(policy.act())
            done = terminated or truncated
        reached += info["is_success"]
    return reached / len(seeds)


@pytest.mark.parametrize(
    ("family", "preset", "count", "at_least"),
    [
        ("find", "small", 10, 0.9),
        ("lift", "small", 10, 0.9),
        ("pick_place", "small", 6, 0.8),
        ("find", "full", 3, 0.6),
        ("lift", "full", 3, 0.6),
        ("pick_place", "full", 2, 0.5),
    ],
)
def test_the_oracle_solves_what_is_drawn(make, family, preset, count, at_least):
    env = make(family, preset, split="held_out", observation_size=(16, 16))
    assert success(env, "oracle", range(1000, 1000 + count)) >= at_least


def test_the_random_policy_seldom_does(make):
    env = make("find", "small", observation_size=(16, 16))
    assert 0.0 < success(env, "random", range(25)) < 0.25


def test_noise_and_wandering_lie_between(make):
    env = make("lift", "small", observation_size=(16, 16))
    oracle, noisy, wanderer = (success(env, name, range(5)) for name in ("oracle", "noisy", "wanderer"))
    assert oracle > 0.9
    assert wanderer < 0.5
    assert wanderer < noisy <= oracle


def test_unknown_policies_are_refused(make):
    with pytest.raises(UnknownNameError, match="unknown policy 'orakel'"):
        make_policy("orakel", make("find", "small"), np.random.default_rng(0))
