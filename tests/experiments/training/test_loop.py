"""The iterations of a training, with an algorithm whose results are written down: what is logged, under which step."""

import dataclasses
import errno
from pathlib import Path

import pytest
from ray.exceptions import RayTaskError

from experiments.shared.preset_files import load_preset
from experiments.shared.run_folder import RunFolder, RunState
from experiments.training import loop
from experiments.training.config import TrainConfig
from experiments.training.loop import TrainingLoop
from tests.experiments.training.test_run import Silent
from vlm_rewards.rllib.metrics import RolloutMetrics

FIELDS = {field.name: 0 for field in dataclasses.fields(RolloutMetrics)}


class Written:
    """Stands for an algorithm: each iteration has 100 steps, and half its episodes succeed."""

    def __init__(self, env_steps=0):
        self.env_steps, self.saved, self.seeds = env_steps, [], []

    def train(self):
        self.env_steps += 100
        return RolloutMetrics(
            **FIELDS | {"env_steps": 100, "env_steps_lifetime": self.env_steps, "reward_return": 0.5}
            | {"success_rate": 0.5, "online_precision": 0.25}
        )  # fmt: skip

    def save_to_path(self, path):
        self.saved.append(self.env_steps)
        Path(path).mkdir(parents=True)


class Told:
    """Stands for an MLflow run."""

    def __init__(self):
        self.calls = []

    def log_metrics(self, metrics, step):
        self.calls.append((step, metrics))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the loop from a state; returns what it logged, its algorithm and where it ended."""
    monkeypatch.setattr(loop.health, "check", lambda result, **expected: result)
    monkeypatch.setattr(loop, "begin_anew", lambda algorithm, seed: algorithm.seeds.append(seed))

    def execute(state=None, **settings):
        overrides = [f"{name}={value}" for name, value in settings.items()]
        config = TrainConfig(**load_preset("train", "smoke", overrides))
        state = state or RunState(mlflow_run_id="run")
        algorithm, told = Written(state.env_steps), Told()
        folder = RunFolder.create(tmp_path, "smoke", config.model_dump(mode="json"))
        ended = TrainingLoop(
            config,
            algorithm,
            state,
            folder=folder,
            run=told,
            watcher=Silent(),
            held_out_success=lambda: 0.75,
            on_checkpoint=lambda state: None,
        ).execute()
        return told.calls, algorithm, ended

    return execute


def test_each_iteration_is_logged_under_the_steps_that_were_trained_with_it(run):
    calls, _, ended = run(total_env_steps=350)
    assert [step for step, _ in calls] == [100, 200, 300, 400]
    assert [metrics["train/env_steps_lifetime"] for _, metrics in calls] == [100, 200, 300, 400]
    assert [point.env_steps for point in ended.curve] == [100, 200, 300, 400]
    assert {metrics["train/success_rate"] for _, metrics in calls} == {0.5}


def test_checkpoints_and_short_evaluations_come_when_they_are_due_and_the_last_checkpoint_always(run):
    settings = {"total_env_steps": 500, "checkpoint_every_steps": 200, "evaluation.every_steps": 200}
    calls, algorithm, ended = run(**settings)
    assert algorithm.saved == [200, 400, 500]
    # What is sampled after a checkpoint is what a resumed run would sample: from seeds of its own.
    assert len(algorithm.seeds) == len(set(algorithm.seeds)) >= 2
    evaluated = {
        step: metrics["held_out/success_rate"] for step, metrics in calls if "held_out/success_rate" in metrics
    }
    assert evaluated == {200: 0.75, 400: 0.75}
    assert [point.env_steps for point in ended.held_out] == [200, 400]


def test_a_resumed_training_goes_on_with_the_steps_and_the_curve_of_its_state(run):
    _, _, first = run(total_env_steps=300)
    calls, _, ended = run(first, total_env_steps=500)
    assert [step for step, _ in calls] == [400, 500]
    assert [point.env_steps for point in ended.curve] == [100, 200, 300, 400, 500]


def test_what_a_learner_in_another_process_raises_as_it_saves_is_its_own_error(run, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")

    def save(self, path):
        raise RayTaskError("save_to_path", "a traceback\nof many lines", full).as_instanceof_cause()

    monkeypatch.setattr(Written, "save_to_path", save)
    with pytest.raises(OSError, match="No space left") as raised:
        run(total_env_steps=100)
    assert raised.value is full
