"""The command line of the pretraining."""

import pytest
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from experiments.pretrain_clip import app
from experiments.shared.preset_files import load_preset, preset_names
from tests.experiments.damages import each_damage
from vlm_rewards.encoders import load_encoder
from vlm_rewards.pretraining.pretrain_config import PretrainConfig
from vlm_rewards.tracking.store import default_uri

RESUMED_FROM = ("config.yaml", "state.pt", "training-seconds.json", "mlflow-run-id.txt")
SMALL = ["training.steps=20", "training.warmup_steps=2", "training.threads=1", "data.train_images=200"]
SMALL += ["data.held_out_images=60", "data.workers=0", "training.log_every=5"]


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def small(run_folder, *more: str):
    overrides = [part for value in SMALL for part in ("--set", value)]
    return run("--preset", "shapes", "--run-folder", str(run_folder), *overrides, *more)


@pytest.mark.parametrize("name", preset_names("pretrain_clip"))
def test_every_preset_is_valid(name):
    assert PretrainConfig(**load_preset("pretrain_clip", name)).training.steps > 0


def test_the_packaged_model_has_its_preset():
    assert "pocket-android" in preset_names("pretrain_clip")


def test_a_run_prints_its_accuracy_and_leaves_a_model(tmp_path, with_store):
    with_store(tmp_path)
    result = small(tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "Zero-shot accuracy on 60 held-out images" in result.output
    assert "training                         20/20  loss" in result.output
    assert load_encoder(str(tmp_path / "run" / "model")).image_size == (48, 32)
    again = small(tmp_path / "run", "--output", str(tmp_path / "copy"))
    assert again.exit_code == 0, again.output
    client = MlflowClient(default_uri(tmp_path))
    (kept,) = client.search_runs([client.get_experiment_by_name("pretrain_clip").experiment_id])
    assert kept.info.status == "FINISHED"
    assert [m.step for m in client.get_metric_history(kept.info.run_id, "train/loss")] == [5, 10, 15, 20]
    assert 0 <= kept.data.metrics["zero_shot/accuracy"] <= 1
    ours, theirs = (load_encoder(str(tmp_path / x)).fingerprint for x in ("run/model", "copy"))
    assert ours == theirs

    resumed = run("--resume", str(tmp_path / "run"))
    assert resumed.exit_code == 0, resumed.output
    assert load_encoder(str(tmp_path / "run" / "model")).fingerprint == ours

    for path, damage in each_damage([tmp_path / "run" / name for name in RESUMED_FROM]):
        if damage == "missing" and path.name != "config.yaml":
            continue  # a run that has not come so far
        if (damage, path.name) == ("truncated", "training-seconds.json"):
            continue  # a number, too
        refused = run("--resume", str(tmp_path / "run"))
        assert refused.exit_code == 2, (path, damage, refused.output)
        lines = [line for line in refused.stderr.splitlines() if line.startswith("error:")]
        assert len(lines) == 1, (path, damage)
        assert path.name in lines[0]
        assert "Traceback" not in refused.output


def test_a_dry_run_prints_the_settings_as_checked(tmp_path):
    result = small(tmp_path / "run", "--dry-run")
    assert result.exit_code == 0
    assert "steps: 20" in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "shape"], "unknown preset 'shape'; did you mean 'shapes'?"),
        (["--preset", "shapes", "--set", "training.stepps=3"], "did you mean 'steps'"),
        (["--preset", "shapes", "--set", "training.steps=-3"], "PretrainConfig.training.steps: must be greater than"),
        (["--preset", "shapes", "--set", "data.source=a.b:c"], "cannot import the caption source 'a.b:c'"),
    ],
)
def test_mistakes_are_one_line_and_a_non_zero_exit(tmp_path, arguments, message):
    result = run(*arguments, "--run-folder", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.strip().count("\n") == 0


def test_a_folder_with_other_things_in_it_is_never_replaced(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    result = small(tmp_path / "run", "--output", str(tmp_path / "precious"))
    assert result.exit_code == 2
    assert "exists and is no model folder" in result.output
    assert (tmp_path / "precious" / "thesis.txt").exists()
