"""What a submitted job takes along: the code, and the weights of the models that its settings name."""

from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner

from experiments.submit.__main__ import app
from experiments.submit.named_models import named_models
from experiments.training.preflight import check_model
from serve_deployments.jobs import job_environment, packaged_weights, packed
from tests.serve_deployments.job_server import JobServer
from vlm_rewards.encoders import loading
from vlm_rewards.errors import ConfigError

LADDER = ["pocket-android", "pocket-l", "pocket-m", "pocket-s", "pocket-xs"]
MOST_BYTES = 6e6


def words(text):
    return text.split()


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("entrypoint", "models"),
    [
        ("python -m experiments.train --preset demo", ["pocket-android"]),
        ("env A=1 python3 -m experiments.train --preset find_small", ["pocket-l"]),
        ("python -m experiments.train --preset find_small --set reward.model=pocket-s", ["pocket-s"]),
        ("python -m experiments.model_size --smoke", ["pocket-android"]),
        ("python -m experiments.cascade --preset find_small", ["pocket-l", "pocket-s", "pocket-xs"]),
        ("python -m experiments.model_size --preset find_small", ["pocket-l", "pocket-m", "pocket-s", "pocket-xs"]),
        ("python -m experiments.zero_shot --preset playhouse --model pocket-m", ["pocket-m"]),
        ("python -m experiments.zero_shot --preset playhouse", ["pocket-android"]),
        ("python -m experiments.precision quantise pocket-xs", ["pocket-android", "pocket-xs"]),
        ("python -m experiments.train --preset smoke --set reward.model=fake", ["pocket-android"]),
        # Nothing can be known of these.
        ("python -m experiments.model_size --resume /shared/runs/x-1", None),
        ("python -m experiments.nothing", None),
        ("python my_program.py", None),
    ],
)
def test_the_models_are_those_that_the_settings_name(entrypoint, models):
    assert named_models(words(entrypoint), LADDER) == models


def test_a_wrong_command_line_never_leaves_this_machine(monkeypatch, capfd):
    monkeypatch.setattr("ray.job_submission.JobSubmissionClient", lambda address: pytest.fail("it was submitted"))
    for wrong, reason in {
        "--preset smok": "did you mean 'smoke'",
        "--preset smoke --set seeed=1": "did you mean 'seed'",
        "--presett smoke": "No such option",
    }.items():
        result = run("--address", "http://127.0.0.1:9", "--", "python", "-m", "experiments.train", *words(wrong))
        assert result.exit_code == 2
        assert reason in result.output + capfd.readouterr().err
    assert run("--model", "pocket-x", "--", "python", "x.py").exit_code == 2


@pytest.mark.parametrize(
    ("models", "fits"),
    [*[([model], model != "pocket-l") for model in LADDER], (["pocket-android", "pocket-s", "pocket-xs"], True)],
)
def test_a_job_is_six_megabytes_at_most_unless_it_names_the_largest_model(models, fits):
    with packed(job_environment(models)) as (environment, size):
        assert (size <= MOST_BYTES) is fits
        assert "excludes" not in environment
        package = Path(environment["working_dir"])
        assert package.stat().st_size == size
        with ZipFile(package) as file:
            names = set(file.namelist())
    below = "platform/vlm_rewards/checkpoints"
    for model in LADDER:
        assert (f"{below}/{model}/model.safetensors" in names) is (model in models)
        assert f"{below}/{model}/config.json" in names, "what says that its weights are missing"
    assert ("platform/vlm_rewards/checkpoints/pocket-android/int8/image_tower.bin" in names) is (
        "pocket-android" in models
    )


def test_equal_files_make_one_package_with_what_a_study_reads_and_nothing_private():
    contents = []
    for _ in range(2):
        with packed(job_environment(())) as (environment, _):
            contents.append(Path(environment["working_dir"]).read_bytes())
            with ZipFile(environment["working_dir"]) as file:
                names = file.namelist()
    assert contents[0] == contents[1]
    tops = {name.split("/")[0] for name in names}
    assert {"platform", "experiments", "envs", "rllib_configs", "serve_deployments", "constraints.txt"} <= tops
    assert not tops & {".git", ".venv", "runs", "mlruns", "data", "tests", ".mypy_cache", ".pytest_cache", ".ci"}
    assert not [name for name in names if name.endswith((".db", ".pyc", ".log"))]
    assert "docs/results/offline_playhouse.csv" in names


def test_a_model_that_was_left_behind_is_one_line_before_ray_starts(tmp_path, monkeypatch):
    for name in ("pocket-l", "pocket-s"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "pocket-s" / "model.safetensors").touch()
    monkeypatch.setattr(loading, "PACKAGED_MODELS", tmp_path)
    check_model("pocket-s")
    with pytest.raises(ConfigError, match=r"the weights of pocket-l did not come .* --model pocket-l"):
        check_model("pocket-l")


def test_the_job_is_what_was_written_and_its_end_is_the_commands(monkeypatch):
    server = JobServer("job_manager.py: Running entrypoint\nall done\n")
    monkeypatch.setattr("ray.job_submission.JobSubmissionClient", server)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://head:8265")
    line = ["python", "-m", "experiments.train", "--preset", "smoke", "--set", "tracking.experiment=two words"]
    for status, code in (("SUCCEEDED", 0), ("FAILED", 1)):
        server.status = status
        result = run("--", *line)
        assert result.exit_code == code, result.output
    sent = server.sent
    assert sent["address"] == "http://head:8265"
    assert sent["entrypoint"] == "python -m experiments.train --preset smoke --set 'tracking.experiment=two words'"
    assert sent["runtime_env"]["env_vars"]["PYTHONPATH"] == "platform"
    assert sent["runtime_env"]["env_vars"]["VLM_REWARDS_GIT_SHA"]
    assert "platform/vlm_rewards/checkpoints/pocket-l/model.safetensors" not in sent["names"]
    assert "all done" in result.output
    assert "job_manager" not in result.output
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS")
    assert run("--", *line).exit_code == 2
    assert run("--dry-run", "--", *line).exit_code == 0


def test_what_ray_job_submit_itself_packs_has_all_weights(tmp_path):
    """`ray job submit --working-dir . --runtime-env runtime_env.yaml`: larger, and never lacking."""
    from ray._private.runtime_env.packaging import create_package

    environment = SimpleNamespace(**job_environment())
    # Not even with Ray told to read no .gitignore.
    create_package(environment.working_dir, tmp_path / "package.zip", include_gitignore=False, excludes=[])
    with ZipFile(tmp_path / "package.zip") as file:
        names = set(file.namelist())
    assert not {name.split("/")[0] for name in names} & {".git", ".venv", "runs", "tests"}
    assert {f"platform/vlm_rewards/checkpoints/{name}/model.safetensors" for name in packaged_weights()} <= names
    assert (tmp_path / "package.zip").stat().st_size < 35e6
