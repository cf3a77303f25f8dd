"""Making an int8 tower and finding out whether it agrees: `auto` afterwards takes what agreed, and nothing else."""

import importlib.util
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from experiments.offline.agreement import AgreementConfig
from experiments.precision import app
from experiments.shared.preset_files import load_preset, merged, preset_names
from experiments.training.config import TrainConfig
from vlm_rewards.encoders import packaged_models
from vlm_rewards.encoders.image_graph import openvino_is_installed
from vlm_rewards.encoders.loading import PACKAGED_MODELS
from vlm_rewards.encoders.proof.agreement import AgreementRecord
from vlm_rewards.reward_model import RewardConfig

needs_nncf = pytest.mark.skipif(
    not openvino_is_installed() or importlib.util.find_spec("nncf") is None, reason="openvino or nncf is not installed"
)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A packaged model without what is recorded of it."""
    monkeypatch.setenv("VLM_REWARDS_CACHE", str(tmp_path / "cache"))
    leave_out = shutil.ignore_patterns("int8", "agreement.json")
    return Path(shutil.copytree(PACKAGED_MODELS / "pocket-android", tmp_path / "model", ignore=leave_out))


@pytest.fixture
def preset(model: Path, painted: Path, tmp_path: Path) -> Path:
    """Two rewards on painted frames: one with a threshold that no score comes near, one at the scores' median."""
    data = {"dataset": str(painted), "task_sets": {"painted": str(painted.parent / "goals.yaml")}}
    reward = {"template": "a photo of [TASK]", "tau": 0.01}
    path = tmp_path / "agree.yaml"
    rewards = {
        "far": {"train": "demo", "reward": {**reward, "beta": 1.0}, "data": data},
        "near": {"train": "demo", "reward": {**reward, "beta": 0.0}, "data": data},
    }
    path.write_text(yaml.safe_dump({"model": str(model), "precisions": ["bf16"], "rewards": rewards}))
    return path


@needs_nncf
def test_auto_takes_what_agreed(model, preset, monkeypatch):
    output = run("quantise", str(model), "--preset", "pocket-android", "--frames", "40")
    assert f"int8 image tower of {model}: 0.4 MB" in output
    output = run("agree", "--preset", str(preset), "--set", "precisions=[int8]")
    assert "in int8 on openvino: " in output
    assert "0 of 144 frames differ (100.000% equal, 0 rewarded)" in output
    assert "passes at 99.9% equal and a change of AP of at most 0.002" in output
    record = AgreementRecord.read(model)
    assert [(entry.precision, len(entry.rewards)) for entry in record.precisions] == [("int8", 2)]
    # Noise in eight numbers says nothing of a real reward; what the record says decides.
    config = AgreementConfig(**yaml.safe_load(preset.read_text()))
    values = merged(load_preset("train", "demo")["reward"], config.rewards["far"].reward)
    reward = RewardConfig(**{**values, "model": str(model), "precision": "auto"})
    for differing, expected in ((0, "int8"), (1, "fp32")):
        entry = record.precisions[0]
        rows = [row.model_copy(update={"differing": differing, "average_precision": 0.5}) for row in entry.rewards]
        rows = [row.model_copy(update={"fp32_average_precision": 0.5}) for row in rows]
        record.with_agreement(entry.model_copy(update={"rewards": tuple(rows)})).write(model)
        monkeypatch.setattr(
            "vlm_rewards.encoders.openvino_encoder.trial", lambda graph, hint: 1.0 if "int8" in str(graph) else 3.0
        )
        assert reward.load_encoder().precision == expected


def test_rewards_that_cannot_be_compared_are_one_clear_line(preset):
    dense = "rewards.far.reward.head={form: cosine}"
    assert "has a dense reward" in run("agree", "--preset", str(preset), "--set", dense, code=2)
    assert "trains on no reward model" in run(
        "agree", "--preset", str(preset), "--set", "rewards.far.train=find_small_ground_truth", code=2
    )
    assert "has no precisions to compare" in run("agree", "--preset", str(preset), "--set", "model=fake", code=2)


@pytest.mark.parametrize("name", packaged_models())
def test_what_is_recorded_is_of_this_very_model_and_what_auto_may_choose_passed(name):
    """A tower or record that was forgotten when a model was trained anew would silently make it slow."""
    from vlm_rewards.encoders.checkpoint import Checkpoint
    from vlm_rewards.encoders.fingerprint import fingerprint_parts
    from vlm_rewards.encoders.quantised_graph import QuantisedGraph

    folder = PACKAGED_MODELS / name
    parts = fingerprint_parts(Checkpoint.load(str(folder)))
    record = AgreementRecord.read(folder)
    assert record is not None
    assert record.parts == parts
    quantised = QuantisedGraph.read(folder, parts)
    for entry in record.precisions:
        assert (entry.precision == "int8") == bool(entry.graph)
        if entry.precision == "int8":
            assert quantised is not None
            assert entry.graph == quantised.digest
    if quantised is not None:
        quantised.path(folder)  # looks at all bytes


@pytest.mark.parametrize("name", preset_names("train"))
def test_each_training_presets_own_reward_was_compared(name):
    config = TrainConfig(**load_preset("train", name))
    if config.uses_ground_truth:
        return
    reward = config.reward_model
    assert reward.precision == "auto"
    record = AgreementRecord.read(PACKAGED_MODELS / reward.model)
    compared = {row.key for entry in record.precisions for row in entry.rewards}
    assert reward.agreement_key in compared
