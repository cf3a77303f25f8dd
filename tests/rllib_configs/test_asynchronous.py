"""APPO and IMPALA as a user runs them: a phone, its real reward, and an env runner in a process of its own."""

import json
from functools import partial

import numpy as np
import pytest
import ray
from ray.exceptions import RayError

from envs.registry import make_env
from rllib_configs.algorithms import ALGORITHMS
from tests.vlm_rewards.environment.grid_env import ScrambledTruth
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.rllib import health
from vlm_rewards.rllib.metrics import METRICS_KEY
from vlm_rewards.rllib.rl_module import GoalConditionedModule, GoalModuleConfig
from vlm_rewards.service import InProcessTransport, RewardClient

TASK_SET = TaskSet.named("open_common_apps")
STEPS = 128
pytestmark = pytest.mark.long


def client():
    reward = RewardConfig(
        model="pocket-android", template="D", negatives=NegativesSpec(kind="goals_and_states"), tau=0.05, beta=0.9
    )
    return RewardClient(InProcessTransport(RewardModel(reward, TASK_SET)))


def make_phone(**options):
    """A phone that lies about its own reward: whatever of it reached the learner would be no 0 and no 1."""
    return ScrambledTruth(make_env("android/OpenApp-v0", task_set="open_common_apps", max_episode_steps=5, **options))


def record(path, step):
    """Writes what the client's answer was worth, by episode and time, from the env runner's process."""
    with path.open("a") as file:
        for episode, probability in zip(step.episodes, step.scores, strict=True):
            file.write(json.dumps([episode.id_, episode.t - 1, float(probability > step.beta)]) + "\n")


def learned_rewards(algorithm):
    """Has the learner tell which steps its batches hold, and with which rewards."""
    learner = algorithm.learner_group._learner
    connector = learner._learner_connector
    learned = []

    def listening(*, episodes, **kwargs):
        steps = [(each.id_, each.t_started + t) for each in episodes for t in range(len(each))]
        batch = connector(episodes=episodes, **kwargs)
        part = batch["default_policy"]
        learned.extend(zip(steps, part["rewards"][part["loss_mask"]].tolist(), strict=True))
        return batch

    learner._learner_connector = listening
    return learned, lambda: setattr(learner, "_learner_connector", connector)


def iterate(algorithm, times=1):
    for _ in range(times):
        metrics = health.check(algorithm.train(), env_steps=STEPS, env_runners=1, learner_may_lag=True)
    return metrics


def equal(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if ALGORITHMS[name].is_asynchronous])
def test_it_learns_from_the_clients_rewards_alone_restores_and_notices_a_dead_env_runner(ray_session, tmp_path, name):
    config = (
        ALGORITHMS[name](train_batch_size=64, rollout_fragment_length=8, report_env_steps=STEPS)
        .make_config(
            env=make_phone,
            env_kwargs={},
            client_factory=client,
            module=GoalModuleConfig(channels=(4,), strides=(4,), goal_dim=8, hidden_dim=16, grid=(2, 2)),
            num_env_runners=1,
            num_envs_per_env_runner=4,
            recorder=partial(record, tmp_path / "rewards.jsonl"),
            seed=0,
        )
        .evaluation(evaluation_interval=1000, evaluation_duration=8, evaluation_duration_unit="episodes")
    )
    algorithm = config.build_algo()
    try:
        fresh = algorithm.learner_group.get_state()["learner"]["rl_module"]["default_policy"]
        learned, stop_listening = learned_rewards(algorithm)
        metrics = [iterate(algorithm) for _ in range(2)]
        stop_listening()
        path = algorithm.save_to_path(str(tmp_path / "checkpoint"))
    finally:
        algorithm.stop()

    rows = [json.loads(line) for line in (tmp_path / "rewards.jsonl").read_text().splitlines()]
    client_rewards = {(episode, t): reward for episode, t, reward in rows}
    assert len(learned) >= 2 * STEPS - 64
    assert all(client_rewards[step] == reward for step, reward in learned)
    assert 0 < sum(reward for _, reward in learned) < len(learned)
    for each in metrics:
        assert each.rewarded_steps == each.env_steps >= STEPS
        assert each.episodes > 0

    saved = GoalConditionedModule.from_checkpoint(f"{path}/learner_group/learner/rl_module/default_policy").get_state()
    moved = [key for key in saved if not np.array_equal(saved[key], fresh[key])]
    assert any(key.startswith("policy_head") for key in moved)

    restored = type(algorithm).from_checkpoint(path)
    try:
        state = restored.learner_group.get_state()["learner"]["rl_module"]["default_policy"]
        assert any(key.startswith("target.") for key in state) == (name == "appo")
        assert equal({key: value for key, value in state.items() if not key.startswith("target.")}, saved)
        sampling = restored.env_runner_group.foreach_env_runner(
            lambda runner: runner.module.get_state(), local_env_runner=False
        )
        assert equal(sampling[0], saved)
        steps = iterate(restored).env_steps_lifetime
        assert steps >= metrics[-1].env_steps_lifetime + STEPS

        # Evaluation sees the truth, here noise, and asks no reward model.
        evaluation = restored.evaluate()["env_runners"]
        assert evaluation["num_episodes"] >= 8
        assert METRICS_KEY not in evaluation

        ray.kill(restored.env_runner_group._worker_manager.actors()[1])
        with pytest.raises((RayError, health.UnhealthyIterationError)):
            iterate(restored, times=3)  # what was sampled before it died may still fill an iteration
    finally:
        restored.stop()
