"""A study with real parts, killed and resumed: what a reviewer finds in MLflow afterwards."""

import json
from functools import partial

import psutil
import pytest
from mlflow.tracking import MlflowClient

from experiments.prompts import app
from tests.experiments.commands import invoke, meanwhile
from tests.experiments.processes import ray_workers, wait_for
from tests.preloaded_workers.program import running
from vlm_rewards.tracking.store import default_uri

# Two starts of a study and three of a trial: minutes on busy cores.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900), pytest.mark.budget(180)]
# Six iterations: one before a process is killed, and some after it.
STEPS = 1536
SMALL = (
    "--set", f"settings.total_env_steps={STEPS}",
    "--set", "settings.evaluation.episodes=10",
    "--set", "settings.evaluation.videos=0",
    "--set", "settings.sampling.num_env_runners=1",
    "--set", "settings.checkpoint_every_steps=256",
    "--set", "settings.algorithm={train_batch_size: 256}",
    "--set", "settings.evaluation.every_steps=512",
)  # fmt: skip


def store(output):
    """The parent run and its trials' runs by name, as MLflow has them now."""
    client = MlflowClient(tracking_uri=default_uri(output))
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()], max_results=100)
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    parents = [run for run in runs if run not in children]
    return client, parents, {run.info.run_name: run for run in children}


def trained_steps(output, name):
    """Environment steps of a trial that are in MLflow."""
    client, _, children = store(output)
    if name not in children:
        return 0
    history = client.get_metric_history(children[name].info.run_id, "train/reward_return")
    return max((metric.step for metric in history), default=0)


def kill_env_runner_and_replica(output, is_over):
    """Kills one of each once the second trial trains; returns the processes that were killed."""
    second = "Open Common Apps, D, seed 0"
    wait_for(lambda: is_over() or trained_steps(output, second) > 0, 240)
    this = psutil.Process()
    served = store(output)[2][second].data.tags["study.reward_app"]
    victims = [*ray_workers(this, "RewardEnvRunner")[:1], *ray_workers(this, f"ServeReplica:{served}:")[:1]]
    for victim in victims:
        victim.kill()
    return victims


@pytest.fixture(scope="module")
def finished(ray_session, forks, tmp_path_factory, with_store):
    """Two templates; the driver is killed in the first trial, and in the second an env runner and a replica.

    The first start is a process of its own, which can be killed; the second is in this one. Both are as on a cluster:
    that of the tests, whose head outlives the study's process.
    """
    output = with_store(tmp_path_factory.mktemp("studies"))
    folder = output / "prompts_smoke-1"
    address = ray_session.get_runtime_context().gcs_address
    command = ("-m", "experiments.prompts", "--smoke", "--output", output, *SMALL)
    with running(forks, output / "log", *command, RAY_ADDRESS=address) as program:
        wait_for(lambda: trained_steps(output, "Open Common Apps, A, seed 0") > 0 or program.poll() is not None, 240)
        assert program.poll() is None, program.text
    _, _, killed = store(output)

    with meanwhile(partial(kill_env_runner_and_replica, output)) as killing:
        done = invoke(app, "--resume", folder)
    assert done.exit_code == 0, done.output
    assert len(killing.result()) == 2, "there was nothing to kill"
    return output, folder, killed, done.output


def test_every_trial_finishes_and_no_run_is_doubled_or_left_running(finished):
    output, _, killed, _ = finished
    _, parents, children = store(output)
    assert len(parents) == 1
    assert parents[0].info.status == "FINISHED"
    assert len(children) == 2
    assert {run.info.status for run in children.values()} == {"FINISHED"}
    assert {name: run.info.run_id for name, run in children.items()} == {
        name: run.info.run_id for name, run in killed.items()
    }
    assert {name: run.info.status for name, run in killed.items()} == {
        "Open Common Apps, A, seed 0": "RUNNING",
        "Open Common Apps, D, seed 0": "SCHEDULED",
    }
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parents[0].info.run_id}


def test_every_trial_has_all_its_steps_and_they_rise_strictly(finished):
    output, *_ = finished
    client, _, children = store(output)
    for run in children.values():
        for key in ("train/reward_return", "train/rewarded_steps", "train/env_steps"):
            steps = [metric.step for metric in client.get_metric_history(run.info.run_id, key)]
            assert steps == sorted(set(steps))
            assert steps[-1] >= STEPS
        scored = sum(m.value for m in client.get_metric_history(run.info.run_id, "train/rewarded_steps"))
        assert scored == sum(m.value for m in client.get_metric_history(run.info.run_id, "train/env_steps"))
        assert run.data.metrics["held_out/success_rate"] >= 0
        assert 0 <= run.data.metrics["evaluation/success_rate"] <= 1


def test_a_killed_env_runner_is_replaced_in_its_trial_which_begins_no_second_time(finished):
    output, *_, text = finished
    assert "goes on from its last checkpoint" not in text
    metrics = store(output)[2]["Open Common Apps, D, seed 0"].data.metrics
    assert metrics["train/env_runners_lost"] == metrics["train/env_runner_restarts"] == 1


def test_an_auditor_finds_what_was_asked_for(finished):
    output, *_ = finished
    client, (parent,), children = store(output)
    assert parent.data.tags["study.kind"] == "prompts"
    assert {artifact.path for artifact in client.list_artifacts(parent.info.run_id)} == {"study.yaml"}
    run = children["Open Common Apps, D, seed 0"]
    assert run.data.params["reward.template"] == "D"
    assert run.data.params["seed"] == "0"
    assert run.data.tags["study.arm"] == "D"
    assert json.loads(run.data.tags["study.facts"])["order"] == 3
    assert run.data.tags["reward.fingerprint"]
    assert {"evaluation.csv", "learning_curve.png"} <= {a.path for a in client.list_artifacts(run.info.run_id)}


def test_trials_with_one_reward_share_one_application(finished):
    record = json.loads((finished[1] / "study.json").read_text())
    apps = {}
    for trial in record["trials"]:
        apps.setdefault(trial["arm"], set()).add(trial["reward_app"])
    assert {arm: len(names) for arm, names in apps.items()} == {"A": 1, "D": 1}
    assert apps["A"] != apps["D"]


def test_tracking_costs_little_and_says_how_much(finished):
    _, _, children = store(finished[0])
    for run in children.values():
        assert 0 < run.data.metrics["tracking/share"] < 0.5
        assert 0 < run.data.metrics["tracking/seconds"] < (run.info.end_time - run.info.start_time) / 2000
