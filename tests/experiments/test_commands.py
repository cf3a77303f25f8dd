"""Every command of `experiments/`, whichever there are, behaves alike: what each of them promises, on all of them."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

import experiments
from experiments.shared.command import Command
from experiments.shared.job_storage import OUTPUT_VARIABLE
from experiments.shared.progress import Bars
from experiments.shared.run_folder import RunFolder
from vlm_rewards.credentials import URI_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(experiments.__file__).parent
MODULE_NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
MODULES = {name: importlib.import_module(f"experiments.{name}") for name in MODULE_NAMES}
COMMANDS: dict[str, Command] = {
    name if hasattr(module, "command") else f"{name} {command.name}": command
    for name, module in MODULES.items()
    for command in ([module.command] if hasattr(module, "command") else getattr(module, "commands", []))
}
NAMES = sorted(COMMANDS)
WRITING = [name for name in NAMES if COMMANDS[name].output is not None]
TRACKING = [name for name in WRITING if COMMANDS[name].tracks != "never"]
ROOTED = [name for name in TRACKING if COMMANDS[name].output.below_root is not None]
#: Answers at this address are refused at once, wherever the tests run.
DEAD = "http://127.0.0.1:9"


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """The folder of a run, as far as its settings go."""
    from experiments.shared.preset_files import load_preset

    return RunFolder.create(tmp_path_factory.mktemp("earlier"), "smoke", load_preset("train", "smoke")).path


@pytest.fixture
def needs(finished_run, options, painted) -> dict[str, list[str]]:
    """By command; one that is not named needs nothing."""
    return {
        "train": ["--preset", "smoke"],
        "evaluate": [str(finished_run)],
        "report": ["some-study"],
        "view": [str(painted)],
        "offline_pr": [*options, "--set", "name=made", "--set", "models=[fake]"],
        "calibrate": [*options, "--set", "name=made"],
        "relabel": options,
        "zero_shot": ["--preset", "android_common"],
        "pretrain_clip": ["--preset", "shapes"],
        "collect": ["--preset", "android_small"],
        "reward_card": ["--preset", "find_small"],
        "precision quantise": ["pocket-android"],
    }


@pytest.fixture
def call(needs, monkeypatch, tmp_path):
    """Calls a command in this process, in an empty folder; returns its result once it has ended in the way it should.

    What is refused is one line on standard error, and leaves nothing.
    """
    home = tmp_path / "here"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.delenv(URI_VARIABLE, raising=False)
    monkeypatch.delenv(OUTPUT_VARIABLE, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def run(name: str, *arguments: object, code: int = 0, bare: bool = False, output: object = None) -> str:
        own = [] if bare else [*needs.get(name, []), *(["--output", output] if output and name in WRITING else [])]
        words = [str(argument) for argument in (*own, *arguments)]
        result = CliRunner().invoke(COMMANDS[name].app(), words, color=run.colour)
        assert not isinstance(result.exception, Exception), result.exception
        assert result.exit_code == code, result.output
        if code and not run.colour:
            assert result.stderr.startswith("error: "), result.output
            assert len(result.stderr.strip().splitlines()) == 1, result.stderr
        assert list(home.iterdir()) == [], "something was left in the working directory"
        return result.output

    run.colour = False
    return run


@pytest.fixture
def untouched(monkeypatch):
    """A command's work, which must not begin."""

    def began(*_):
        raise AssertionError("the work began")

    for command in COMMANDS.values():
        monkeypatch.setitem(command.__dict__, "work", began)


def test_every_module_of_the_folder_is_a_command():
    assert sorted({name.split()[0] for name in NAMES}) == MODULE_NAMES, "a module that is no command in the frame"
    assert len(NAMES) >= 15
    assert all(name.split()[-1] == command.name for name, command in COMMANDS.items())


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_the_frames_options_and_the_presets(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    result = CliRunner().invoke(COMMANDS[name].app(), ["--help"])
    assert result.exit_code == 0, result.output
    shown = set(re.split(r"[\s│,]+", result.output))
    assert "--dry-run" in shown
    assert ("--output" in shown) == (name in WRITING)
    if COMMANDS[name].schema is not None:
        assert "--set" in result.output
    if COMMANDS[name].preset is not None:
        folder = FOLDER / "presets" / (COMMANDS[name].presets or name)
        presets = [path.stem for path in folder.glob("*.yaml")]
        assert presets
        assert all(preset in result.output for preset in presets)


def test_help_imports_nothing_that_takes_seconds():
    """One process for all: what one command imported would excuse no other, since none may import any of it."""
    heavy = ["ray", "torch", "mlflow", "transformers", "pyarrow", "scipy", "matplotlib", "mujoco", "gymnasium", "numpy"]
    code = "import sys, importlib\n" + "".join(
        f"importlib.import_module('experiments.{name}')\n" for name in MODULE_NAMES
    )
    code += f"print([name for name in {heavy} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run_says_what_would_be_done_and_does_nothing(name, call, untouched, tmp_path):
    output = call(name, "--dry-run", output=tmp_path / "results")
    assert len(output) > 20
    assert not (tmp_path / "results").exists()
    command = COMMANDS[name]
    if command.show is None:
        (values, *_) = [yaml.safe_load(output)] if name != "zero_shot" else [*yaml.safe_load_all(output)]
        if "tracking" in values:
            assert values["tracking"]["uri"].startswith("sqlite:////")


@pytest.mark.parametrize("name", [name for name in NAMES if COMMANDS[name].schema is not None])
def test_an_unknown_key_is_named(name, call, untouched, tmp_path):
    output = call(name, "--set", "no_such_key=1", output=tmp_path / "results", code=2)
    assert "unknown key 'no_such_key'" in output
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("{file}/below", "is a file; name a folder"),
        ("/proc/results", "cannot be written"),
        ("s3://bucket/results", "is an address (s3)"),
        ("gs://bucket/results", "is an address (gs)"),
        ("local:///opt/results", "is an address (local)"),
        ("{folder}/why?", "'?' in its name"),
        ("{folder}/a%20b", "'%' in its name"),
        ("", "is empty"),
    ],
)
@pytest.mark.parametrize("name", WRITING)
def test_an_output_that_cannot_be_written_is_refused_by_name(name, place, message, call, untouched, tmp_path):
    (tmp_path / "file").write_text("")
    place = place.format(file=tmp_path / "file", folder=tmp_path)
    assert message in call(name, "--output", place, code=2)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".yaml") == ["file", "here"]


@pytest.mark.parametrize("name", WRITING)
def test_a_job_would_lose_what_it_writes_into_its_working_directory(name, call, untouched, monkeypatch):
    job = {"runtime_env": {"working_dir": "gcs://_ray_pkg_0.zip"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(job))
    assert "lies in this job's copy of the working directory" in call(name, "--output", "runs", code=2)
    if name in ROOTED:
        assert "lies in this job's copy" in call(name, code=2), "and so does the default"


@pytest.mark.parametrize("name", ROOTED)
def test_the_environment_names_the_output_folder(name, call, monkeypatch, tmp_path):
    monkeypatch.setenv(OUTPUT_VARIABLE, str(tmp_path / "shared"))
    seen = []
    monkeypatch.setitem(COMMANDS[name].__dict__, "work", seen.append)
    call(name)
    assert seen[0].output.is_relative_to(tmp_path / "shared")
    assert seen[0].mlflow_uri.startswith(f"sqlite:///{tmp_path / 'shared'}")


@pytest.mark.parametrize("name", TRACKING)
def test_the_store_is_the_options_else_the_environments_else_sqlite(name, call, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setitem(COMMANDS[name].__dict__, "work", seen.append)
    output = ("--output", tmp_path / "results" / "here")
    call(name, *output)
    monkeypatch.setenv(URI_VARIABLE, f"sqlite:///{tmp_path / 'environment.db'}")
    call(name, *output)
    call(name, *output, "--mlflow-uri", f"sqlite:///{tmp_path / 'option.db'}")
    default, environment, option = (invocation.mlflow_uri for invocation in seen)
    # A dataset is recorded only where somebody names a store.
    assert (default == "") if COMMANDS[name].tracks == "named" else default.endswith("/mlflow.db")
    assert environment == f"sqlite:///{tmp_path / 'environment.db'}"
    assert option == f"sqlite:///{tmp_path / 'option.db'}"
    for invocation in seen:
        for config in invocation.configs:
            if hasattr(config, "tracking"):
                assert config.tracking.uri == invocation.mlflow_uri


@pytest.mark.parametrize("name", TRACKING)
def test_a_store_that_is_none_is_refused_before_the_work(name, call, untouched, monkeypatch, tmp_path):
    output = ("--output", tmp_path / "results")
    begin = time.monotonic()
    assert "nothing answers at the MLflow store" in call(name, *output, "--mlflow-uri", DEAD, code=1)
    monkeypatch.setenv(URI_VARIABLE, "./mlruns")
    assert "MLflow keeps no runs at './mlruns'" in call(name, *output, code=2)
    assert time.monotonic() - begin < 30
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", NAMES)
def test_there_is_nothing_to_resume_in_an_empty_folder(name, call, untouched, tmp_path):
    (tmp_path / "empty").mkdir()
    named = ("evaluate", "report", "view", "precision quantise")
    output = call(name, "--resume", tmp_path / "empty", code=2, bare=name not in named)
    assert ("is no folder of a" if COMMANDS[name].reopen else "has nothing to resume") in output
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("name", [name for name in NAMES if COMMANDS[name].reopen])
def test_a_resumed_run_takes_no_other_settings(name, call, untouched, tmp_path):
    output = call(name, "--resume", tmp_path, "--output", tmp_path, code=2, bare=True)
    assert "leave the other options out" in output


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (PermissionError(13, "denied", "/a/file"), 1)])
def test_how_work_ends(name, error, code, call, monkeypatch, tmp_path):
    def work(invocation):
        raise error

    monkeypatch.setitem(COMMANDS[name].__dict__, "work", work)
    output = call(name, output=tmp_path / "results", code=code)
    assert ("interrupted; " if code == 130 else "/a/file: denied") in output


def works_through_stages(invocation):
    with Bars() as bars:
        bars.say("a stage")
        bars.show("pictures", 3, 10)
        bars.tell("a result")


@pytest.mark.parametrize("name", NAMES)
def test_quiet_leaves_results_alone(name, call, monkeypatch, tmp_path):
    monkeypatch.setitem(COMMANDS[name].__dict__, "work", works_through_stages)
    loud = call(name, output=tmp_path / "results")
    assert all(words in loud for words in ("a stage", "pictures", "3/10", "a result"))
    assert "\x1b" not in loud, "where output is no terminal it holds no escapes"
    assert call(name, "--quiet", output=tmp_path / "results").split() == ["•", "a", "result"]


@pytest.mark.parametrize("name", NAMES)
def test_no_color_is_honoured_on_a_terminal(name, call, monkeypatch, tmp_path):
    colour = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-79]|4[0-79]|9\d|38|48)[;m]")

    def fails(invocation):
        works_through_stages(invocation)
        raise PermissionError(13, "denied", "/a/file")

    monkeypatch.setitem(COMMANDS[name].__dict__, "work", fails)
    # A terminal, as rich and click see one.
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(call, "colour", True)
    shown = call(name, output=tmp_path / "results", code=1)
    assert colour.search(shown)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour.search(call(name, output=tmp_path / "results", code=1))


def test_a_command_ends_with_the_address_of_its_run(call, monkeypatch, store, tmp_path):
    from vlm_rewards.tracking import MlflowRun

    uri = f"sqlite:///{store}"

    def work(invocation):
        common = {"uri": uri, "experiment": "gap", "params": {}, "tags": {}, "spill_folder": tmp_path}
        with MlflowRun.start(name="parent", **common) as run:
            MlflowRun.start(name="child", parent_run_id=run.run_id, **common).finish()

    monkeypatch.setitem(COMMANDS["train"].__dict__, "work", work)
    (line,) = call("train", "--output", tmp_path / "results", "--mlflow-uri", uri).splitlines()
    (run,) = [run for run in runs_of(store) if run.info.run_name == "parent"]
    assert line.startswith(
        f"MLflow: http://127.0.0.1:5000/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?"
    )
    assert line.endswith(f"mlflow ui --backend-store-uri {uri}")
    assert call("train", "--quiet", "--output", tmp_path / "results", "--mlflow-uri", uri) == ""


def test_sigterm_ends_work_as_an_interrupt_does_and_says_how_to_go_on(call, monkeypatch, tmp_path):
    before = signal.getsignal(signal.SIGTERM)

    def work(invocation):
        invocation.folder = tmp_path
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        raise AssertionError("the signal was lost")

    monkeypatch.setitem(COMMANDS["train"].__dict__, "work", work)
    output = call("train", "--output", tmp_path / "results", code=143)
    assert f"stopped by SIGTERM; continue with --resume {tmp_path}" in output
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_stop_between_a_runs_start_and_its_work_leaves_it_not_open(call, monkeypatch, store, tmp_path):
    from vlm_rewards.tracking import MlflowRun

    def work(invocation):
        uri = invocation.mlflow_uri
        MlflowRun.start(uri=uri, experiment="gap", name="gap", params={}, tags={}, spill_folder=tmp_path)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setitem(COMMANDS["train"].__dict__, "work", work)
    call("train", "--output", tmp_path / "results", "--mlflow-uri", f"sqlite:///{store}", code=143)
    (run,) = [run for run in runs_of(store) if run.info.run_name == "gap"]
    assert run.info.status == "KILLED"
    assert "SIGTERM" in run.data.tags["end_reason"]


def runs_of(store: Path) -> list:
    client = MlflowClient(f"sqlite:///{store}")
    return client.search_runs([found.experiment_id for found in client.search_experiments()])
