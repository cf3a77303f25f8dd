"""The zero-shot command with a packaged model, real screens and real views."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from experiments.shared.preset_files import load_preset, preset_names
from experiments.zero_shot import app
from experiments.zero_shot_accuracy.config import ZeroShotConfig
from vlm_rewards.encoders import load_encoder
from vlm_rewards.encoders.loading import resolve_model
from vlm_rewards.pretraining.caption_source import import_source


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Renderings for all tests."""
    return tmp_path_factory.mktemp("images")


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def small(images: Path, *more: object):
    return run("--preset", "android_common", "--set", "pictures.count=40", "--images", images, *more)


@pytest.mark.parametrize(("preset", "classes"), [("playhouse", 96), ("android_common", 10), ("android_diverse", 50)])
def test_every_picture_of_a_preset_has_its_class(preset, classes):
    assert preset in preset_names("zero_shot")
    config = ZeroShotConfig(**load_preset("zero_shot", preset))
    words = config.classes.words()
    assert len(words) == classes
    captions = {config.classes.captions_of(one) for one in words.values()}
    assert len(captions) == classes
    source = import_source(config.pictures.source, config.pictures.options)
    for seed in range(5):
        assert source(np.random.default_rng([20, seed]), 96, 96).label in words


def test_a_packaged_model_names_the_screens(images, mlflow_store, tmp_path):
    model = shutil.copytree(resolve_model("pocket-android"), tmp_path / "mine")
    fingerprint = load_encoder(str(model)).fingerprint
    result = small(images, "--model", model, "--output", tmp_path / "runs", *mlflow_store, "--update-card")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "runs" / "zero_shot-1"
    with (folder / "zero_shot.csv").open() as file:
        overall, *rows = csv.DictReader(file)
    assert (overall["facet"], overall["pictures"], overall["model"]) == ("all", "40", "mine")
    assert float(overall["accuracy"]) >= 0.9
    assert float(overall["accuracy_low"]) < float(overall["accuracy"]) <= float(overall["accuracy_high"])
    assert sum(int(row["pictures"]) for row in rows) == 40
    right = sum(round(float(row["accuracy"]) * int(row["pictures"])) for row in rows)
    assert right == round(float(overall["accuracy"]) * 40)
    assert f"| {float(overall['accuracy']):.4f} |" in (folder / "zero_shot.md").read_text()
    assert (folder / "android_common-mine.png").read_bytes().startswith(b"\x89PNG")

    card = (model / "README.md").read_text()
    assert f"Accuracy **{float(overall['accuracy']):.4f}**" in card
    assert load_encoder(str(model)).fingerprint == fingerprint

    client = MlflowClient(mlflow_store[1])
    experiment = client.get_experiment_by_name("offline").experiment_id
    (found,) = client.search_runs([experiment], "tags.command = 'zero_shot'")
    assert found.info.status == "FINISHED"
    assert found.data.metrics["android_common/mine/accuracy"] == pytest.approx(float(overall["accuracy"]), abs=1e-6)
    assert found.data.params["android_common.classes"] == "10"
    assert found.data.params["fingerprint.mine"] == fingerprint
    assert {"zero_shot.csv", "zero_shot.md"} <= {file.path for file in client.list_artifacts(found.info.run_id)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "playhous"], "did you mean 'playhouse'"),
        (["--set", "pictures.cuont=3"], "did you mean 'count'"),
        (["--set", "classes.label=app"], "names no word in braces"),
        (["--set", "classes.captions=['a {thing}']"], "words in braces can be app"),
        (["--set", "classes.facets=[colour]"], "names 'colour', but a class has app"),
        (["--set", "classes.options.names=[Gmial]"], "did you mean 'Gmail'"),
        (["--model", "fake", "--model", "fake"], "named twice"),
        (["--model", "pocket-android", "--update-card"], "no pocket-android/README.md to update"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(images, tmp_path, arguments, message):
    result = small(images, "--output", tmp_path / "runs", *arguments)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert result.output.strip().count("\n") == 0
    assert not (tmp_path / "runs").exists()


def test_half_a_dual_encoder_is_one_line_and_leaves_nothing(images, half_checkpoint, tmp_path):
    model, message = half_checkpoint
    result = small(images, "--model", model, "--output", tmp_path / "runs")
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "runs").exists()
