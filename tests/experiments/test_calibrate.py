"""Calibration: what is found on one side of the split holds on the other, and can be trained and served with."""

import csv
import re

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from experiments.calibrate import app
from experiments.shared.preset_files import load_preset
from experiments.training.config import TrainConfig
from vlm_rewards.evaluation.offline import LabelledDataset
from vlm_rewards.evaluation.offline.dataset import decode_frames
from vlm_rewards.hub.saved_reward import CalibrationCurve
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.service.serving import RewardAppArgs

NAMES = ["--set", "name=made", "--set", "resamples=50"]


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def wrong_template(options, tmp_path):
    """A study whose own template says nothing of what the frames show, and a prompt set with the right one."""
    prompts = tmp_path / "forms.yaml"
    prompts.write_text("name: forms\nversion: 1\ntemplates: {told: '[INSTRUCTION]', photo: 'a photo of [TASK]'}\n")
    return [*options, "--set", "reward.template='[INSTRUCTION]'", "--search", str(prompts)]


def test_the_preset_that_is_found_is_right_and_loads_everywhere(
    wrong_template, painted, painted_goals, mlflow_store, tmp_path
):
    preset = tmp_path / "found" / "reward.yaml"
    output = run(
        *wrong_template,
        *NAMES,
        *mlflow_store,
        "--set",
        "tracking.experiment=calibrate",
        "--output",
        str(tmp_path / "runs"),
        "--reward-file",
        str(preset),
        "--extends",
        "demo",
    )
    assert "precision 1.000" in output
    values = yaml.safe_load(preset.read_text())
    assert values["reward"]["template"] == "a photo of [TASK]"
    training = TrainConfig(**load_preset("train", str(preset)))
    serving = RewardAppArgs(reward=values["reward"], task_set=painted_goals)
    assert training.reward == serving.reward
    assert training.environment.id == "android/OpenApp-v0"

    dataset = LabelledDataset.open(painted)
    model = RewardModel(serving.reward, painted_goals)
    frames = decode_frames(png for batch in dataset.batches(50) for png in batch["image"])
    rewards = model.reward(model.score(frames, list(dataset.states.goal_id)))
    np.testing.assert_array_equal(rewards > 0, dataset.states.goal_achieved)

    folder = tmp_path / "runs" / "made-calibration-1"
    with (folder / "calibration.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["negatives"] for row in rows] == ["goals", "goals_and_states"]
    assert {row["reached"] for row in rows} == {"True"}

    curve = CalibrationCurve.read(folder / "calibration.json")
    assert (curve.dataset, curve.chosen["precision"], max(curve.recall)) == (dataset.name, 1.0, 1.0)
    saved = model.save_pretrained(tmp_path / "saved", calibration=curve)
    by_name = load_preset("train", "demo", [f"reward={saved}"])
    assert TrainConfig(**by_name).reward_model.beta == model.beta
    with (folder / "prompt_search.csv").open() as file:
        searched = list(csv.DictReader(file))
    assert len(searched) == 4
    assert searched[0]["template"] == "photo"
    assert float(searched[0]["average_precision"]) > float(searched[-1]["average_precision"])


def test_a_threshold_may_be_chosen_by_what_an_agent_learns_from(options, mlflow_store, tmp_path):
    output = run(*options, *NAMES, *mlflow_store, "--output", str(tmp_path / "runs"), "--objective", "signal")
    folder = tmp_path / "runs" / "made-calibration-1"
    assert "asked for the most of these" in (folder / "reward.yaml").read_text()
    with (folder / "calibration.csv").open() as file:
        rows = list(csv.DictReader(file))
    # The painted frames show what they are: every trajectory that reaches its goal is ended there.
    assert max(float(row["calibration_signal"]) for row in rows) > 0.5
    assert "no threshold reaches" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "split.unit=trajectory"), "the split leaks"),
        (("--set", "split={calibration_share: 0.99, seed: 5}"), "the test side of the split"),
        (("--set", "reward={model: fake, head: {form: cosine}}"), "has no beta to calibrate"),
        (("--extends", "dmeo"), "'demo'"),
        (("--set", "taus=[0.0]"), "tau"),
    ],
)
def test_settings_that_cannot_be_used_leave_nothing(options, arguments, message, tmp_path):
    output = run(*options, *NAMES, "--output", str(tmp_path / "runs"), *arguments, code=2)
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    assert message in output
    assert not (tmp_path / "runs").exists()


def test_each_fault_of_a_dataset_is_one_line_and_leaves_nothing(options, fault, tmp_path):
    folder, message = fault
    output = run(*options, *NAMES, "--dataset", str(folder), "--output", str(tmp_path / "runs"), code=2)
    assert output.count("\n") == 1
    assert re.search(message, output)
    assert not (tmp_path / "runs").exists()
