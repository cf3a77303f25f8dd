"""Results of a job must outlive it."""

import json

import pytest
from typer.testing import CliRunner

from experiments import model_size, train
from experiments.shared.job_storage import OUTPUT_VARIABLE, lasting_folder, results_folder
from vlm_rewards.errors import ConfigError


@pytest.fixture
def job(monkeypatch, tmp_path):
    """This process in the place of a job's entrypoint: in Ray's copy of the working directory."""
    copy = tmp_path / "working_dir_files" / "_ray_pkg_0"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)

    def submit(working_dir):
        config = {"runtime_env": {"working_dir": working_dir, "env_vars": {}}, "metadata": {}}
        monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(config))
        return copy

    return submit


@pytest.mark.parametrize("command", [model_size, train])
@pytest.mark.parametrize("option", ["--output", "--resume"])
def test_a_job_that_would_lose_its_results_is_refused_before_it_starts(job, command, option):
    copy = job("gcs://_ray_pkg_0.zip")
    done = CliRunner().invoke(
        command.app, ["--preset", "smoke", option, "runs"] if option == "--output" else [option, "runs"]
    )
    assert done.exit_code == 2
    assert "runs lies in this job's copy of the working directory" in done.output
    assert "\n" not in done.output.strip()
    assert list(copy.iterdir()) == []


def test_a_job_may_write_where_it_lasts(job, tmp_path):
    job("gcs://_ray_pkg_0.zip")
    assert lasting_folder(tmp_path / "shared") == tmp_path / "shared"


def test_a_folder_of_the_image_goes_with_its_pod(job):
    copy = job("local:///opt/vlm_rewards")
    with pytest.raises(ConfigError, match="a folder of the image, which goes with its pod"):
        lasting_folder(copy / "runs")


def test_a_volume_mounted_in_the_working_directory_lasts(job, monkeypatch):
    copy = job("local:///opt/vlm_rewards")
    monkeypatch.setattr("os.path.ismount", lambda path: path == copy / "volume")
    assert lasting_folder(copy / "volume" / "runs") == copy / "volume" / "runs"


def test_outside_a_job_the_working_directory_lasts(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert lasting_folder(tmp_path / "runs") == tmp_path / "runs"


def test_the_environment_names_the_output_folder_where_the_command_line_does_not(job, monkeypatch):
    copy = job("gcs://_ray_pkg_0.zip")
    monkeypatch.setenv(OUTPUT_VARIABLE, str(copy / "elsewhere"))
    done = CliRunner().invoke(model_size.app, ["--smoke"])
    assert "elsewhere lies in this job's copy" in done.output


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("~nobody_here/runs", "has no home here"),
        ("runs/\udcff", "no UTF-8"),
        ("runs/" + "x" * 300, "too long"),
        ("runs/a?b", "'?'"),
        ("runs/a%20b", "'%'"),
        ("runs/a\0b", "choose another name"),
        ("", "is empty"),
        ("s3://bucket/runs", "is an address"),
    ],
)
def test_names_that_no_folder_can_have_are_one_line(name, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as raised:
        results_folder(name)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["ä/ö", "a b", "a;b", "a$HOME", "[a]", "{a}", "-a", "a\\b", "a:b", "a@b", "a+b", "'a\"", "😀"]
)
def test_other_names_are_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert results_folder(name) == tmp_path / name
