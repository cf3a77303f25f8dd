"""Trainings on the tiny grid: what the tests of the algorithms that learn from a replay share."""

import numpy as np

from tests.vlm_rewards.environment.grid_env import ENCODER, TASKS, grid_client, make_grid
from vlm_rewards.rllib import health
from vlm_rewards.rllib.env_runner import begin_anew
from vlm_rewards.rllib.eye import Eye
from vlm_rewards.rllib.replay_settings import Hindsight
from vlm_rewards.rllib.rl_module import GoalModuleConfig
from vlm_rewards.rllib.training_goals import TrainingGoals

GOALS = TrainingGoals.of(TASKS)
CAPTIONED = GOALS.captioned(TASKS, "D", lambda goal_id: [f"the {goal_id} cell far away"], ENCODER)
SMALL = GoalModuleConfig(channels=(8, 8), strides=(4, 1), goal_dim=16, hidden_dim=32, grid=(6, 6))
QUICK_REPLAY = {
    "train_batch_size": 32,
    "replay_capacity": 400,
    "learning_starts": 64,
    "rollout_fragment_length": 4,
    "report_env_steps": 128,
    "hindsight": Hindsight(),
}
SEEING = SMALL.model_copy(update={"eye": Eye(weight=0.5)})


def grid_config(hyperparameters, make=make_grid, module=SEEING, client_factory=grid_client, **kwargs):
    """An algorithm's configuration on the tiny grid, with the eye and all that hindsight needs."""
    return hyperparameters.make_config(
        env=make,
        env_kwargs=kwargs.pop("env_kwargs", {"blind": 0.3}),
        client_factory=client_factory,
        module=module,
        **{"num_envs_per_env_runner": 8, "goals": CAPTIONED, "seed": 1, **kwargs},
    )


def trained(algorithm, iterations=3):
    """Returns what the iterations measured, times excepted, and the weights."""
    metrics = [
        health.check(algorithm.train(), env_steps=128, learner_may_lag=True).to_dict() for _ in range(iterations)
    ]
    state = algorithm.learner_group.get_state()["learner"]["rl_module"]["default_policy"]
    return [{k: v for k, v in each.items() if "latency" not in k} for each in metrics], state


def same(first, second):
    """Whether two sets of weights are the same, bit by bit."""
    assert first.keys() == second.keys()
    return all(np.array_equal(first[key], second[key]) for key in first)


def assert_resumes(build, folder, iterations=3):
    """Holds that a training restored from a checkpoint equals one that went on; returns it and the path."""
    whole = build()
    trained(whole, iterations)
    path = whole.save_to_path(str(folder / "checkpoint"))
    begin_anew(whole, 7)
    expected = trained(whole, iterations)

    resumed = build()
    np.random.random(11)  # whatever a process has drawn by then
    resumed.restore_from_path(path)
    begin_anew(resumed, 7)
    got = trained(resumed, iterations)
    assert got[0] == expected[0]
    assert same(got[1], expected[1])
    return resumed, path
