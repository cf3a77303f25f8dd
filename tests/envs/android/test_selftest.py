"""Scripted episodes: AndroidEnv's ground truth says what has happened."""

import numpy as np
import pytest

from envs.android.env import OpenAppEnv
from envs.android.selftest import KINDS, run_scripts


@pytest.mark.parametrize("layout", ["fixed", "shuffled"])
def test_the_truth_is_right_in_every_scripted_episode(layout):
    env = OpenAppEnv(layout=layout, terminate_on_success=False)
    results = list(run_scripts(env, episodes=90, seed=1))
    env.close()
    assert [problem for _, problem in results if problem is not None] == []
    assert {script.kind for script, _ in results} == set(KINDS)
    outcomes = [script.success_at is not None for script, _ in results]
    assert sum(outcomes) == 50
    assert len({script.success_at for script, _ in results}) > 4


def test_a_truth_that_lies_is_noticed():
    class Liar(OpenAppEnv):
        def step(self, action):
            observation, _, terminated, truncated, info = super().step(action)
            return observation, 0.0, terminated, truncated, info

    env = Liar(terminate_on_success=False)
    problems = [problem for _, problem in run_scripts(env, episodes=len(KINDS), seed=1)]
    env.close()
    assert [kind for kind, problem in zip(KINDS, problems, strict=True) if problem] == [
        "direct",
        "drawer",
        "detour",
        "twice",
        "left",
    ]


def test_the_truth_agrees_with_the_phone_under_a_random_policy():
    env = OpenAppEnv(terminate_on_success=False)
    package = {goal.id: env._config.packages[goal.id] for goal in env._config.goals}
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(60):
        for _ in range(20):
            _, _, _, _, info = env.step(rng.integers(60))
            assert info["is_success"] == (package[env.goal_id] in env.phone.running)
            assert info["goal_achieved"] == (env.phone.foreground == package[env.goal_id])
        env.reset()
    env.close()
