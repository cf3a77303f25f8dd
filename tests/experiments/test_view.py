"""The command that shows episodes: from folders, files, datasets and MLflow, and one line where there are none."""

import shutil

import pytest
import yaml
from typer.testing import CliRunner

from experiments.shared.run_folder import RunFolder, RunState
from experiments.view import app
from tests.experiments.conftest import TEMPLATE
from tests.vlm_rewards.evaluation.recording.recorded import grid_recording
from vlm_rewards.tracking import MlflowRun
from vlm_rewards.tracking.store import default_uri


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "recording.parquet"
    grid_recording(12).save(path)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory, with_store, file):
    """A store with a run that was recorded, one that was not, and a trained one whose evaluation was."""
    folder = with_store(tmp_path_factory.mktemp("store"))
    ids = {}
    for name, recorded, parent in (
        ("grid-1", True, None),
        ("bare-1", False, None),
        ("trained-1", False, None),
        ("trained-1, evaluation-1", True, "trained-1"),
    ):
        with MlflowRun.start(
            uri=default_uri(folder),
            experiment="views",
            name=name,
            params={},
            tags={},
            spill_folder=folder,
            parent_run_id=ids.get(parent),
        ) as run:
            ids[name] = run.run_id
            if recorded:
                run.log_artifact(file)
    return folder, ids


@pytest.fixture
def call(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert not isinstance(done.exception, Exception), done.exception
        assert done.exit_code == code, done.output
        if code:
            assert done.stderr.startswith("error: ")
            assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        return done.output

    return run


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_run_is_shown_from_mlflow_alone(by, call, store, tmp_path):
    folder, ids = store
    page = tmp_path / "page.html"
    said = call(ids["grid-1"] if by == "id" else "grid-1", "--mlflow-uri", default_uri(folder), "--output", page)
    assert "12 episodes: " in said
    assert str(page) in said
    assert ids["grid-1"] in page.read_text()


def test_a_runs_folder_says_what_was_trained_and_so_does_its_evaluations(call, file, tmp_path):
    run = RunFolder.create(tmp_path, "grid", {"name": "grid"})
    run.write_state(RunState("f" * 32, env_steps=12345, finished=True))
    for place in (run.path, run.path / "evaluation-1"):
        RunFolder.at(place, {})
        shutil.copy(file, place)
        call(place)
        page = (place / "episodes.html").read_text()
        assert "12,345 steps" in page
        assert "f" * 32 in page
    assert "grid-1, evaluation-1" in page
    assert "12 episodes" in call(run.path / "recording.parquet")


def test_a_dataset_is_shown_with_its_truth_and_with_a_rewards_scores(call, painted, tmp_path):
    page = tmp_path / "page.html"
    said = call(painted, "--output", page)
    assert "24 episodes, " in said
    assert "No reward scored these states" in said
    preset = tmp_path / "reward.yaml"
    both = {"kind": "goals_and_states"}
    reward = {"model": "fake", "template": TEMPLATE, "negatives": both, "tau": 0.05, "beta": 0.5}
    preset.write_text(yaml.safe_dump({"reward": reward, "task_set": str(painted.parent / "goals.yaml")}))
    said = call(painted, "--output", page, "--reward", preset, "--episodes", 10)
    assert "10 episodes: 0 false positives, 0 missed successes" in said
    assert "10 of 24 episodes are recorded." in said
    assert "a photo of a red mug" in page.read_text()


def test_a_page_goes_beside_what_it_shows(call, painted, tmp_path):
    dataset = shutil.copytree(painted, tmp_path / "data" / "painted")
    before = sorted(dataset.iterdir())
    call(dataset, "--episodes", 2)
    assert sorted(dataset.iterdir()) == before, "into a dataset's folder goes nothing else"
    assert (tmp_path / "data" / "painted-episodes.html").is_file()


REWARD = 'reward: {model: fake, template: "a photo of [TASK]", tau: 0.05, beta: 0.5}\ntask_set: open_common_apps\n'
REFUSED = {
    "no such run": (["grdi-1"], 2, "no run of that name or id; did you mean 'grid-1'"),
    "no such id": (["0" * 32], 2, "MLflow has no run of that name or id"),
    "a run without recordings": (["bare-1"], 2, "the run 'bare-1' has no recording: it was made before"),
    "its evaluation has one": (["trained-1"], 2, "these of its runs have: {evaluation} (trained-1, evaluation-1)"),
    "no such folder": (["{tmp}/rnu"], 2, "there is no {tmp}/rnu; in its folder did you mean 'run'"),
    "a folder of something else": (["{tmp}/other"], 2, "holds neither recording.parquet nor manifest.json"),
    "a run that is not evaluated": (["{tmp}/run"], 2, "record it with python -m experiments.evaluate {tmp}/run"),
    "a cut recording": (["{tmp}/cut"], 2, "cut/recording.parquet is cut off or damaged"),
    "no recording at all": (["{tmp}/other/notes.txt"], 2, "notes.txt is cut off or damaged"),
    "a dataset of another schema": (["{tmp}/dataset"], 2, "has no column 'goal_achieved'"),
    "a reward for a run": (["{tmp}/cut", "--reward", "reward-pocket"], 2, "--reward is for datasets"),
    "a reward that there is not": (["{painted}", "--reward", "reward-pokcet"], 2, "did you mean 'reward-pocket'"),
    "a reward of other goals": (["{painted}", "--reward", "{tmp}/phone.yaml"], 2, "knows none of the goals of painted"),
    "a family that there is not": (["{painted}", "--family", "pianted"], 2, "did you mean 'painted'"),
    "no episodes": (["{painted}", "--episodes", "0"], 2, "--episodes must be at least 1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_shown_is_one_line(what, call, store, file, painted, spoilt_schema, tmp_path):
    folder, ids = store
    RunFolder.at(tmp_path / "run", {})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("nothing")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "recording.parquet").write_bytes(file.read_bytes()[:-900])
    (tmp_path / "phone.yaml").write_text(REWARD)
    shutil.copytree(spoilt_schema, tmp_path / "dataset")
    arguments, code, says = REFUSED[what]
    names = {"tmp": tmp_path, "painted": painted, "evaluation": ids["trained-1, evaluation-1"]}
    arguments = [argument.format(**names) for argument in arguments]
    store_option = ["--mlflow-uri", default_uri(folder)]
    assert says.format(**names) in call(*arguments, *store_option, "--output", tmp_path / "page.html", code=code)
    assert not (tmp_path / "page.html").exists()


@pytest.fixture(scope="module")
def spoilt_schema(tmp_path_factory, painted):
    """The painted dataset without its truth."""
    import hashlib
    import json

    import pyarrow.parquet as pq

    folder = shutil.copytree(painted, tmp_path_factory.mktemp("schema") / "dataset")
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        pq.write_table(pq.read_table(folder / name).drop_columns(["goal_achieved"]), folder / name)
        manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_an_mlflow_store_that_is_none_is_one_line(call, tmp_path):
    assert "there is no MLflow store" in call("grid-1", "--mlflow-uri", default_uri(tmp_path), code=1)


def test_a_recording_that_mlflow_has_lost_is_one_line(call, store, tmp_path):
    folder, ids = store
    copy = shutil.copytree(folder, tmp_path / "store")
    (artifact,) = (folder / "mlartifacts").rglob(f"{ids['grid-1']}/artifacts/recording.parquet")
    content = artifact.read_bytes()
    artifact.write_bytes(content[: len(content) // 2])
    try:
        said = call(ids["grid-1"], "--mlflow-uri", default_uri(copy), "--output", tmp_path / "page.html", code=2)
    finally:
        artifact.write_bytes(content)
    assert "recording of grid-1 in MLflow is cut off or damaged" in said
