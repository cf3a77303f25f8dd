"""The main job from its command: the same real parts as `make demo`, for fewer steps.

In this process and on its Ray session, but for the run that is killed, which has both for itself.
"""

import csv
import json
import os
import shutil
import signal
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from PIL import Image
from ray import serve
from typer.testing import CliRunner

from experiments.evaluate import app as evaluate_app
from experiments.shared.run_folder import RunFolder
from experiments.shared.run_settings import run_settings
from experiments.train import app
from experiments.training.config import TrainConfig
from experiments.training.run import Training
from tests.experiments.commands import MetricLog, invoke, meanwhile
from tests.experiments.damages import DAMAGES, each_damage
from tests.experiments.processes import wait_for
from tests.preloaded_workers.program import running
from vlm_rewards.errors import ConfigError, VLMRewardsError
from vlm_rewards.evaluation.recording import Recording
from vlm_rewards.rllib.rl_module import GoalConditionedModule
from vlm_rewards.service import HandleTransport
from vlm_rewards.tracking.store import default_uri

# Where RLlib's checkpoints keep the agent.
MODULE = "learner_group/learner/rl_module/default_policy"
STEPS = 1500
# Three iterations, with checkpoints between them.
SHORT = ("--preset", "smoke", "--steps", STEPS, "--set", "algorithm.train_batch_size=512")
pytestmark = pytest.mark.long


def trained_steps(folder):
    """Environment steps in the newest checkpoint of a run."""
    state = folder / "state.json"
    return json.loads(state.read_text())["env_steps"] if state.exists() else 0


def evaluation(folder):
    with (folder / "evaluation.csv").open() as file:
        return list(csv.DictReader(file))


def mlflow_runs(output):
    client = MlflowClient(tracking_uri=default_uri(output))
    return client, client.search_runs([e.experiment_id for e in client.search_experiments()])


def history(client, run, name):
    return client.get_metric_history(run.info.run_id, name)


def kill_replica(folder, others, is_over):
    """Kills the run's only replica once there is a checkpoint; returns the frames that its successor has scored."""
    wait_for(lambda: set(serve.status().applications) - others or is_over(), 280)
    (name,) = set(serve.status().applications) - others
    transport, frames = HandleTransport(name), {}

    def seen():
        try:
            replica = transport.replica_info(timeout_s=5)
        except VLMRewardsError:  # there is none
            return False
        frames[replica.pid] = replica.frames
        return True

    wait_for(lambda: seen() or is_over(), 280)
    (victim,) = frames
    # At once: the iteration after the checkpoint, which is to be hit, takes a second or two.
    wait_for(lambda: trained_steps(folder) > 0 or is_over(), 280)
    os.kill(victim, signal.SIGKILL)
    # As the run goes on, so does the count.
    wait_for(lambda: is_over() or (seen() and False), 280)
    return max((count for pid, count in frames.items() if pid != victim), default=0)


@pytest.fixture(scope="module")
def finished(ray_session, tmp_path_factory, with_store):
    """A whole run whose only reward replica is killed in its middle."""
    output = with_store(tmp_path_factory.mktemp("runs"))
    folder, log, others = output / "smoke-1", MetricLog(), set(serve.status().applications)
    with log.listening(), meanwhile(partial(kill_replica, folder, others)) as killed:
        done = invoke(app, *SHORT, "--output", output)
    assert done.exit_code == 0, done.output
    assert killed.result() > 100, "the run ended without the replica's successor: the kill hit nothing"
    return output, folder, done.output, log


def test_a_killed_replica_costs_no_step_and_leaves_no_nan(finished):
    output, *_ = finished
    client, (only,) = mlflow_runs(output)
    assert only.info.status == "FINISHED"
    steps = [m.value for m in history(client, only, "train/env_steps")]
    scored = [m.value for m in history(client, only, "train/rewarded_steps")]
    assert sum(steps) >= STEPS
    assert scored == steps
    assert all(value == value for value in only.data.metrics.values())


def test_the_run_leaves_the_proof(finished):
    output, folder, text, _ = finished
    client, (only,) = mlflow_runs(output)
    artifacts = {artifact.path for artifact in client.list_artifacts(only.info.run_id)}
    films = {"episodes.gif", "episodes_best.gif", "episodes_worst.gif"}
    assert artifacts == {"evaluation.csv", "learning_curve.png", "recording.parquet", *films}
    assert Image.open(folder / "episodes.gif").n_frames > 1
    assert len(only.data.tags["reward.fingerprint"]) == 64
    assert only.data.tags["git_sha"]
    assert only.data.params["reward.template"] == "D"
    recording = Recording.load(folder / "recording.parquet")
    assert [episode.number for episode in recording.episodes] == list(range(20))
    assert recording.facts.reward.fingerprint == only.data.tags["reward.fingerprint"]
    assert recording.facts.actions[-1] in ("home", "back")
    rows = evaluation(folder)
    assert sum(episode.true_at is not None for episode in recording.episodes) == round(
        20 * float(rows[0]["success_rate"])
    )
    assert f"frame by frame {folder / 'episodes.html'}" in " ".join(text.split())
    assert (folder / "episodes.html").stat().st_size > 10_000
    assert rows[0]["goal"] == "all"
    assert int(rows[0]["episodes"]) == sum(int(row["episodes"]) for row in rows[1:]) == 20
    assert "random policy" in text


def test_whatever_was_logged_is_in_mlflow_under_its_step(finished):
    output, folder, _, log = finished
    client, (only,) = mlflow_runs(output)
    assert {run_id for run_id, *_ in log.calls} == {only.info.run_id}
    assert log.missing_from(client) == []
    steps = [step for _, step, _ in log.calls]
    assert steps == sorted(set(steps))
    curve = json.loads((folder / "state.json").read_text())["curve"]
    assert [m.step for m in history(client, only, "train/reward_return")] == [point["env_steps"] for point in curve]
    assert len(curve) > 1
    assert {"evaluation/success_rate", "evaluation/online_precision_last_quarter"} <= {*log.calls[-2][2]}


def test_what_tracking_costs_is_told(finished):
    """Seconds inside MLflow's requests, and their share of the run; more than no time, and less than most of it."""
    output, *_ = finished
    _, (only,) = mlflow_runs(output)
    seconds, share = only.data.metrics["tracking/seconds"], only.data.metrics["tracking/share"]
    lasted = (only.info.end_time - only.info.start_time) / 1000
    assert 0 < share < 0.5
    assert share == pytest.approx(seconds / lasted, rel=0.3)


def test_the_same_seed_gives_the_same_table_whatever_the_transport_and_the_faults(finished, tmp_path, with_store):
    _, folder, *_ = finished
    done = invoke(app, *SHORT, "--output", with_store(tmp_path), "--set", "served_by={kind: in_process}")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "smoke-1" / "evaluation.csv").read_text() == (folder / "evaluation.csv").read_text()


def test_a_trained_agent_is_evaluated_again_as_it_was_and_elsewhere(finished, tmp_path, with_store):
    _, trained, *_ = finished
    store = ["--mlflow-uri", default_uri(with_store(tmp_path))]
    folder = Path(shutil.copytree(trained, tmp_path / "smoke-1"))
    nothing_shown = ["--set", "evaluation.videos=0", "--set", "evaluation.recording.episodes=0"]
    done = CliRunner().invoke(evaluate_app, [str(folder), *nothing_shown, *store])
    assert done.exit_code == 0, done.output
    assert (folder / "evaluation-1" / "evaluation.csv").read_text() == (folder / "evaluation.csv").read_text()

    shuffled = ["--set", "environment.evaluation_options.layout=shuffled", "--set", "evaluation.videos=1"]
    done = CliRunner().invoke(evaluate_app, [str(folder), "--episodes", "10", *shuffled, *store])
    assert done.exit_code == 0, done.output
    elsewhere = folder / "evaluation-2"
    assert evaluation(elsewhere)[0]["episodes"] == "10"
    assert Image.open(elsewhere / "episodes.gif").n_frames > 1
    assert len(Recording.load(elsewhere / "recording.parquet").episodes) == 10
    assert "smoke-1, evaluation-2" in (elsewhere / "episodes.html").read_text()
    client, runs = mlflow_runs(tmp_path)
    second = next(run for run in runs if run.info.run_name == "smoke-1, evaluation-2")
    state = json.loads((folder / "state.json").read_text())
    assert second.data.tags["mlflow.parentRunId"] == state["mlflow_run_id"]
    assert second.data.params["environment.evaluation_options.layout"] == "shuffled"
    assert second.data.metrics["evaluation/success_rate"] == float(evaluation(elsewhere)[0]["success_rate"])
    assert "evaluation.csv" in {artifact.path for artifact in client.list_artifacts(second.info.run_id)}


def test_what_cannot_be_evaluated_is_one_clear_line_and_leaves_nothing(finished, tmp_path):
    _, trained, *_ = finished
    folder = Path(shutil.copytree(trained, tmp_path / "smoke-1"))
    before = sorted(folder.rglob("*"))
    for arguments, message in (
        ([str(tmp_path)], "no folder of a run"),
        ([str(folder), "--set", "environment.evaluation_options.layout=shufled"], "shufled"),
        ([str(folder), "--episodes", "0"], "episodes"),
    ):
        done = CliRunner().invoke(evaluate_app, arguments)
        assert done.exit_code == 2
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    shutil.rmtree(next(folder.glob("checkpoint-*")))
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"checkpoint": None}))
    done = CliRunner().invoke(evaluate_app, [str(folder)])
    assert done.exit_code == 2
    assert "--resume" in done.stderr
    assert [path for path in before if path.exists()] == sorted(folder.rglob("*"))


def test_every_damaged_file_of_a_real_run_is_told_in_one_line_or_decides_nothing(finished, tmp_path):
    folder = Path(shutil.copytree(finished[1], tmp_path / "smoke-1"))
    state = json.loads((folder / "state.json").read_text()) | {"finished": False}
    (folder / "state.json").write_text(json.dumps(state))
    newest, older = sorted(folder.glob("checkpoint-*"), reverse=True)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"]
    assert sum(newest in path.parents for path in files) > 10
    whole = resumed(folder)[0]
    assert (whole.checkpoint, whole.env_steps) == (newest.name, state["env_steps"])
    for path, damage in each_damage(files):
        found, said = resumed(folder)
        if path in (folder / "config.yaml", folder / "state.json"):
            assert found is None, (path, damage)
            assert path.name in said[0]
        elif newest in path.parents:
            assert (found.checkpoint, found.mlflow_run_id) == (older.name, state["mlflow_run_id"]), (path, damage)
            assert newest.name in said[0]
        else:
            assert found == whole, (path, damage)
            continue
        assert len(said) == 1
        assert "\n" not in said[0]


def resumed(folder):
    """Where a run would go on, None where it would not, and what is said of that."""
    said = []
    watcher = SimpleNamespace(stage=said.append)
    try:
        return Training(TrainConfig(**run_settings(folder)), RunFolder.existing(folder), watcher)._state, said
    except ConfigError as error:
        return None, [*said, str(error)]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_real_run_of_which_nothing_is_whole_ends_its_commands_in_one_line(finished, tmp_path, command, damage):
    folder = Path(shutil.copytree(finished[1], tmp_path / "smoke-1"))
    state = json.loads((folder / "state.json").read_text()) | {"finished": False}
    (folder / "state.json").write_text(json.dumps(state))
    for weights in folder.glob(f"checkpoint-*/{MODULE}/module_state.*"):
        DAMAGES[damage](weights)
    done = invoke(app, "--resume", folder) if command == "train" else invoke(evaluate_app, folder)
    assert done.exit_code == 2
    assert len([line for line in done.stderr.splitlines() if line.startswith("error:")]) == 1
    assert "would start from random weights" in done.stderr
    assert "Traceback" not in done.output


def test_the_agent_to_compare_with_trains_on_ground_truth_without_any_reward_model(ray_session, tmp_path, with_store):
    settings = ("reward={kind: ground_truth}", "evaluation.episodes=4", "evaluation.videos=1")
    overrides = [part for setting in settings for part in ("--set", setting)]
    done = invoke(app, *SHORT, "--output", with_store(tmp_path), *overrides)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "smoke-1"
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("open_app").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["reward.kind"] == "ground_truth"
    assert found.data.metrics["train/reward_return"] == found.data.metrics["train/success_rate"]
    assert found.data.metrics["train/requests"] == 0
    for name in ("evaluation.csv", "learning_curve.png", "episodes.gif"):
        assert (folder / name).stat().st_size > 0


def test_a_killed_run_resumes_to_its_end_with_its_own_weights(ray_session, forks, tmp_path, with_store, monkeypatch):
    quick = ("--set", "served_by={kind: in_process}", "--set", "evaluation.videos=0", "--set", "evaluation.episodes=10")
    arguments = ("-m", "experiments.train", *SHORT, "--output", with_store(tmp_path), *quick)
    folder = tmp_path / "smoke-1"
    with running(forks, tmp_path / "log", *arguments) as program:
        wait_for(lambda: trained_steps(folder) > 0 or program.poll() is not None, 280)
        assert program.poll() is None, program.text
    assert 0 < trained_steps(folder) < STEPS
    client, (killed,) = mlflow_runs(tmp_path)
    assert killed.info.status == "RUNNING"

    log, checkpoint = MetricLog(), trained_steps(folder)
    saved = folder / json.loads((folder / "state.json").read_text())["checkpoint"]
    weights = GoalConditionedModule.from_checkpoint(saved / MODULE).get_state()
    begun_with, train = {}, Training._train

    def listening(self, algorithm, run):
        begun_with.update(algorithm.get_module().get_state())
        return train(self, algorithm, run)

    monkeypatch.setattr(Training, "_train", listening)
    with log.listening():
        done = invoke(app, "--resume", folder)
    assert done.exit_code == 0, done.output
    client, (resumed,) = mlflow_runs(tmp_path)
    assert resumed.info.run_id == killed.info.run_id
    assert resumed.info.status == "FINISHED"
    steps = [m.step for m in history(client, resumed, "train/reward_return")]
    assert steps == sorted(set(steps))
    assert steps[-1] >= STEPS

    assert begun_with.keys() == weights.keys()
    assert all(np.array_equal(begun_with[name], weights[name]) for name in weights)
    # It went on from the checkpoint, and what the killed run had logged beyond it is all that is not logged again.
    trained_again = [step for _, step, metrics in log.calls if "train/env_steps" in metrics]
    # An iteration ends with the vector step that fills it, and resets count for nothing: up to 16 steps more.
    assert 512 <= trained_again[0] - checkpoint < 512 + 16
    last_before = max(m.step for m in history(client, killed, "train/env_steps"))
    assert all(step <= last_before for _, step in log.missing_from(client))

    again = invoke(app, "--resume", folder)
    assert again.exit_code == 2
    assert "finished already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "dmeo"], "'demo'"),
        (["--set", "reward.tau=0"], "tau"),
        (["--set", "reward.beta=1.5"], "beta"),
        (["--set", "reward.temperature=1"], "unknown key 'temperature'"),
        (["--set", "rewrd.beta=0.5"], "'reward'"),
        (["--set", "reward.template=Z"], "template"),
        (["--set", "total_env_steps=many"], "total_env_steps"),
        (["--preset", "smoke", "--set", "environment.options.task_set=open_comon_apps"], "open_common_apps"),
        (["--preset", "smoke", "--set", "environment.options.wallpaper=blue"], "wallpaper"),
        (["--preset", "smoke", "--set", "environment.id=android/OpenAp-v0"], "android/OpenApp-v0"),
        (["--resume", "/nowhere"], "no folder of a run"),
        (["--resume", "/nowhere", "--steps", "5"], "leave the other options out"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(arguments, message, tmp_path):
    output = [] if "--resume" in arguments else ["--output", str(tmp_path)]
    done = CliRunner().invoke(app, [*arguments, *output])
    assert done.exit_code == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert message in lines[0]
    assert not list(tmp_path.iterdir()), "a half-written run was left"


def test_what_only_the_run_can_know_is_one_clear_line_too(ray_session, tmp_path):
    done = invoke(app, "--preset", "smoke", "--set", "reward.model=no/such-model", "--output", tmp_path)
    assert done.exit_code in (1, 2)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, done.output
    assert "no/such-model" in errors[0]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "smoke-1").exists(), "a half-written run was left"
    assert not (tmp_path / "mlflow.db").exists() or all(r.info.status != "RUNNING" for r in mlflow_runs(tmp_path)[1])
