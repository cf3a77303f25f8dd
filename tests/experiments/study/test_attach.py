"""A study whose trials ask an application that somebody has put on the cluster before."""

from pathlib import Path

import pytest
import yaml
from mlflow.tracking import MlflowClient
from ray import serve
from ray.serve.schema import ServeDeploySchema

from experiments.shared.preset_files import load_preset
from experiments.study.study import Study
from experiments.study.study_config import StudyConfig
from experiments.study.study_folder import StudyFolder
from experiments.study.trials import plan_trials
from tests.experiments.processes import wait_for
from vlm_rewards.errors import ConfigError
from vlm_rewards.service import HandleTransport

ROOT = Path(__file__).resolve().parents[3]
APP = "reward-pocket-android"
pytestmark = pytest.mark.long


class Silent:
    def stage(self, text):
        pass

    def callbacks(self, trials):
        return []


@pytest.fixture(scope="module")
def ladder(ray_session):
    """The ladder's first application, as `serve deploy serve_deployments/ladder.yaml` deploys it."""
    values = yaml.safe_load((ROOT / "serve_deployments" / "ladder.yaml").read_text())
    values["applications"] = [one | {"args": one["args"] | {"num_cpus": 0.1}} for one in values["applications"][:1]]
    assert values["applications"][0]["name"] == APP
    serve.context._get_global_client().deploy_apps(ServeDeploySchema.model_validate(values))
    wait_for(lambda: serve.status().applications[APP].status == "RUNNING")
    yield HandleTransport(APP)
    serve.delete(APP)  # and wait: the next test looks at what runs


def study(tmp_path, mlflow_store, **settings):
    values = load_preset("studies/model_size", "smoke")
    values["settings"] = {
        "total_env_steps": 256,
        "checkpoint_every_steps": 256,
        "algorithm": {"train_batch_size": 128, "minibatch_size": 64, "epochs": 1},
        "sampling": {"num_envs_per_env_runner": 8},
        "evaluation": {"episodes": 2, "videos": 0, "num_envs": 2},
        "served_by": {"kind": "attach", "app": APP},
        # What the ladder serves; the preset takes the fastest here.
        "reward": {"precision": "fp32"},
        **settings,
    }
    values |= {"arms": {"pocket-android": {}}, "seeds": [0, 1], "max_concurrent_trials": 2, "max_failures": 0}
    values["tracking"] = {"uri": mlflow_store[1], "experiment": "attached"}
    config = StudyConfig(**values)
    return Study("model_size", config, StudyFolder.create(tmp_path, config), plan_trials(config), Silent())


def test_two_trials_attach_to_one_application_of_the_ladder(ladder, tmp_path, mlflow_store):
    before = set(serve.status().applications)
    frames = ladder.replica_info(timeout_s=10).frames
    pid = ladder.replica_info(timeout_s=10).pid
    attached = study(tmp_path, mlflow_store)
    # The application's CPUs are not the study's to ask for.
    assert (attached.cpus_needed(), attached.cpus_wanted()) == (1, 2)
    outcome = attached.execute()

    client = MlflowClient(mlflow_store[1])
    runs = [client.get_run(trial.mlflow_run_id) for trial in outcome.trials]
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    fingerprint = ladder.describe(timeout_s=10).fingerprint
    assert {run.data.tags["reward.fingerprint"] for run in runs} == {fingerprint}
    assert {run.data.params["served_by.app"] for run in runs} == {APP}
    scored = sum(
        metric.value for run in runs for metric in client.get_metric_history(run.info.run_id, "train/rewarded_steps")
    )
    info = ladder.replica_info(timeout_s=10)
    assert info.frames - frames >= scored >= 512
    assert info.pid == pid
    assert set(serve.status().applications) == before, "the study deployed, or took away, an application"


def test_a_study_of_another_reward_is_refused_before_any_trial(ladder, tmp_path, mlflow_store):
    with pytest.raises(ConfigError, match=r"pocket-android' serves .* reward\.beta is 0\.9 there and 0\.8 here"):
        study(tmp_path, mlflow_store, reward={"beta": 0.8}).execute()
    assert not list(tmp_path.glob("*/tune/*")), "a trial began"
