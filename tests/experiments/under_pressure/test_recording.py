"""Episodes of the real domains: scripts get there, replays are exact, and frames are embedded once."""

import numpy as np
import pytest
import yaml

from experiments.shared.preset_files import load_preset
from experiments.shared.run_folder import RunFolder
from experiments.training.restoring import MODULE_IN_CHECKPOINT
from experiments.under_pressure.agents import LatestObservation, checkpoints_of, record_agent
from experiments.under_pressure.config import PressureConfig
from experiments.under_pressure.recording import Recorder, Recording, act_at_random, follow, plan_starts, task_env
from experiments.under_pressure.scripts import act_by_script
from tests.vlm_rewards.environment.grid_env import TASKS, ColouredGridEnv
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.q_module import GoalConditionedQModule
from vlm_rewards.rllib.rl_module import GoalModuleConfig

CONFIG = PressureConfig(**load_preset("pressure", "laptop"))


@pytest.mark.parametrize("name", ["find", "open_common"])
def test_scripts_get_there_and_a_replay_is_what_was_recorded(name, tmp_path):
    task = CONFIG.tasks[name].model_copy(update={"steps": 25})
    env = task_env(task, (24, 24))
    encoder = FakeEncoder()
    recorder = Recorder(task, {"fake": encoder}, env)
    starts = plan_starts(env.get_wrapper_attr("task_set"), 4, 0)
    played = recorder.record(starts, [act_by_script, act_at_random, act_at_random], seed=0)
    reached = played.episodes.success[:, :, -1].mean(axis=0)
    assert reached[0] >= 0.75
    assert reached[0] > reached[1:].max()
    again = recorder.record(starts, lambda number: [follow(own) for own in played.actions[number]], seed=1)
    np.testing.assert_array_equal(again.episodes.achieved, played.episodes.achieved)
    np.testing.assert_array_equal(again.frame, played.frame)
    # The embedding that a state points to is that of the frame which it shows.
    env.reset(seed=starts[2].seed, options={"goal_id": starts[2].goal_id})
    for action, row in zip(played.actions[2, 1], played.frame[2, 1], strict=True):
        env.step(int(action))
        shown = encoder.embed_images(env.get_wrapper_attr("reward_frame")()[None])[0]
        np.testing.assert_array_equal(played.embeddings["fake"][row], shown)
        assert played.first_row[2] <= row < played.first_row[3]
    assert played.first_row[-1] == len(played.embeddings["fake"]) <= played.frame.size
    env.close()
    played.save(tmp_path / "played.npz")
    read = Recording.load(tmp_path / "played.npz")
    assert read.starts == played.starts
    np.testing.assert_array_equal(read.frame, played.frame)
    np.testing.assert_array_equal(read.embeddings["fake"], played.embeddings["fake"])


def test_an_environment_that_ends_early_is_refused():
    task = CONFIG.tasks["find"].model_copy(update={"steps": 9})
    short = ColouredGridEnv(terminate_on_success=False, max_episode_steps=8)
    with pytest.raises(ConfigError, match="ended an episode after 8 of 9 steps"):
        Recorder(task, {}, short).record(plan_starts(TASKS, 1, 0), [act_at_random], 0)
    with pytest.raises(ConfigError, match="has no script"):
        next(act_by_script(short, np.random.default_rng(0)))


def test_what_the_agent_saw_last_is_there_between_steps():
    env = LatestObservation(ColouredGridEnv())
    first, _ = env.reset(seed=0)
    assert env.latest is first
    second, *_ = env.step(3)
    assert env.latest is second


def test_a_run_s_checkpoints_come_in_order_and_what_is_none_is_refused(tmp_path):
    task = CONFIG.tasks["find"]
    settings = {"environment": {"id": task.environment}}
    run = RunFolder.create(tmp_path, "find", settings).path
    with pytest.raises(ConfigError, match="has no checkpoint"):
        checkpoints_of(run, task)
    for steps in (40_000, 20_000, 100_000):
        (run / f"checkpoint-{steps:09d}").mkdir()
    assert list(checkpoints_of(run, task)) == [20_000, 40_000, 100_000]
    with pytest.raises(ConfigError, match="is of 'playhouse/Find-v0', the task of 'android/OpenApp-v0'"):
        checkpoints_of(run, CONFIG.tasks["open_common"])
    with pytest.raises(ConfigError, match="is no folder of a run"):
        checkpoints_of(tmp_path, task)


def test_an_agent_is_shown_what_it_was_trained_on(tmp_path):
    task = CONFIG.tasks["find"].model_copy(update={"steps": 4})
    sees = {"observation_size": [32, 32], "remembered_actions": 3}
    run = RunFolder.create(tmp_path, "find", {"environment": {"id": task.environment, "options": sees}}).path
    env = task_env(task.model_copy(update={"options": sees}), (24, 24))
    sizes = GoalModuleConfig(channels=(4, 4), strides=(4, 2), goal_dim=8, hidden_dim=16, grid=(4, 4))
    module = GoalConditionedQModule(
        observation_space=env.observation_space, action_space=env.action_space, model_config=sizes.to_model_config()
    )
    module.save_to_path(run / "checkpoint-000000010" / MODULE_IN_CHECKPOINT)
    starts = plan_starts(env.get_wrapper_attr("task_set"), 2, 0)
    env.close()
    played = record_agent(run, run / "checkpoint-000000010", task, {"fake": FakeEncoder()}, (24, 24), starts, 2, seed=0)
    assert played.actions.shape == (2, 2, 4)


def test_every_packaged_preset_is_of_settings_that_fit_together():
    for name in ("laptop", "smoke"):
        config = PressureConfig(**load_preset("pressure", name))
        for task in config.tasks:
            assert list(config.model_copy(update={"only": (task,)}).searched) == [task]
            PressureConfig(**{**load_preset("pressure", name), "only": [task]})
        assert PressureConfig(**yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config
