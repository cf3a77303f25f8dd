"""Deploying rewards: arguments, waiting, failures, changes without a restart, and the YAML."""

import importlib
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from ray import serve
from ray.serve.schema import ServeDeploySchema

from serve_deployments.reward import app_builder
from tests.vlm_rewards.service.encoders_for_tests import BrokenEncoder
from vlm_rewards.errors import (
    ConfigError,
    RewardServiceError,
    RewardTimeoutError,
)
from vlm_rewards.goals import Goal, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import HandleTransport, RewardClient
from vlm_rewards.service.application import build_app
from vlm_rewards.service.deploying import deploy
from vlm_rewards.service.serving import ReplicaLimits, RewardAppArgs

POCKET_YAML = Path(__file__).resolve().parents[2] / "serve_deployments" / "pocket.yaml"
TASK_SET = TaskSet(
    name="four", version=1, goals=tuple(Goal(id=f"g{i}", subject=f"S{i}", instruction=f"go {i}") for i in range(4))
)
REWARD = RewardConfig(model="fake", tau=0.1, beta=0.5)
ARGS = RewardAppArgs(reward=REWARD, task_set=TASK_SET, num_cpus=0.1)
FRAMES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
GOALS = ["g0", "g1", "g2", "g3"]


def changed(**changes):
    return ARGS.model_copy(update=changes)


@pytest.fixture(scope="module")
def app(ray_session):
    deploy(ARGS, "steady")
    yield "steady"
    serve.delete("steady", _blocking=False)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"max_batch_frame": 3}, r"max_batch_frame.*did you mean 'max_batch_frames'"),
        ({"num_cpus": -1}, "num_cpus"),
        ({"replicas": {"minimum": 3, "maximum": 2}}, "maximum is 2, below minimum 3"),
        ({"replicas": {"minimum": 1, "maximum": 2, "pinned": 3}}, "pinned is 3"),
        ({"reward": {"model": "fake", "tau": 0, "beta": 0.5}}, "tau"),
        ({"reward": {"model": "fake", "tau": 0.1, "beta": 1.5}}, "beta"),
    ],
)
def test_wrong_arguments_are_one_clear_line(wrong, says):
    values = {"reward": {"model": "fake", "tau": 0.1, "beta": 0.5}, "task_set": TASK_SET, **wrong}
    with pytest.raises(ConfigError, match=says) as raised:
        RewardAppArgs(**values)
    assert "\n" not in str(raised.value)


def test_a_task_set_may_be_a_file_and_a_missing_one_is_named(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text(yaml.safe_dump(TASK_SET.model_dump(mode="json")))
    assert RewardAppArgs(reward=REWARD, task_set=str(path)).loaded_task_set() == TASK_SET
    with pytest.raises(ConfigError, match=r"no/such\.yaml"):
        build_app(RewardAppArgs(reward=REWARD, task_set="no/such.yaml"))


def test_limits_that_differ_turn_autoscaling_on():
    from ray.serve._private.build_app import build_app as built

    def config(limits):
        application = built(build_app(changed(replicas=limits)), name="a", make_deployment_handle=None)
        return application.deployments[0]._deployment_config

    assert config(ReplicaLimits(minimum=2, maximum=2)).num_replicas == 2
    scaling = config(ReplicaLimits(minimum=1, maximum=3, target_frames=40, pinned=2)).autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (1, 3)
    assert scaling.policy.policy_kwargs == {"target_frames": 40, "pinned": 2, "run_ends_after_s": 120}


def test_a_deployed_reward_serves_at_once(app):
    result = RewardClient(HandleTransport(app)).score(FRAMES, GOALS)
    np.testing.assert_array_equal(result.scores, RewardModel(REWARD, TASK_SET).score(FRAMES, GOALS))


@pytest.mark.parametrize(
    ("args", "encoder", "error", "says"),
    [
        (changed(reward=RewardConfig(model="no-such-model", tau=0.1, beta=0.5)), None, ConfigError, "no-such-model"),
        (ARGS, BrokenEncoder(), RewardServiceError, r"'broken' failed to start: .*libcudnn\.so\.9"),
    ],
    ids=["unknown model", "broken machine"],
)
def test_a_constructor_that_fails_is_one_clear_line_and_leaves_nothing(app, args, encoder, error, says):
    with pytest.raises(error, match=says) as raised:
        deploy(args, "broken", encoder=encoder)
    assert "\n" not in str(raised.value)
    deadline = time.monotonic() + 20
    while "broken" in serve.status().applications and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "broken" not in serve.status().applications
    assert RewardClient(HandleTransport(app)).score(FRAMES, GOALS)


def test_too_few_cpus_are_reported_instead_of_waited_for(app):
    with pytest.raises(RewardTimeoutError, match="free some CPUs"):
        deploy(changed(num_cpus=64), "too-big", timeout_s=2)


def test_a_failed_replacement_leaves_the_old_reward_serving(app):
    client = RewardClient(HandleTransport(app))
    before = client.score(FRAMES, GOALS)
    with pytest.raises(ConfigError, match="no-such-model"):
        deploy(changed(reward=RewardConfig(model="no-such-model", tau=0.1, beta=0.5)), app)
    assert client.score(FRAMES, GOALS).fingerprint == before.fingerprint
    deploy(ARGS, app)
    assert client.score(FRAMES, GOALS).fingerprint == before.fingerprint


def test_a_replacement_takes_over_without_a_gap(app):
    client = RewardClient(HandleTransport(app))
    client.score(FRAMES, GOALS)
    client.pop_stats()
    pid = HandleTransport(app).replica_info(timeout_s=10).pid
    start = time.monotonic()
    serve.run_many(
        [serve.RunTarget(target=build_app(ARGS), name=app, route_prefix=None)], wait_for_applications_running=False
    )
    while HandleTransport(app).replica_info(timeout_s=10).pid == pid and time.monotonic() < start + 60:
        client.score(FRAMES, GOALS)
    assert HandleTransport(app).replica_info(timeout_s=10).pid != pid
    # With a gap, one call would have waited for most of the new replica's start.
    assert max(client.pop_stats().latencies_s) < 0.5 * (time.monotonic() - start)


def test_without_ray_deploying_says_so(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(ConfigError, match=r"ray\.init"):
        deploy(ARGS)


def test_the_pocket_yaml_is_a_serve_config_that_builds_and_serves(ray_session):
    schema = ServeDeploySchema.model_validate(yaml.safe_load(POCKET_YAML.read_text()))
    application = schema.applications[0]
    module, _, name = application.import_path.partition(":")
    builder = getattr(importlib.import_module(module), name)
    assert builder is app_builder
    args = RewardAppArgs(**application.args)
    serve.run(builder(args), name=application.name, route_prefix=None)
    client = RewardClient(HandleTransport(application.name))
    description = client.describe()
    assert (description.model, description.tau, description.beta) == (
        args.reward.model,
        args.reward.tau,
        args.reward.beta,
    )
    height, width = description.image_size
    frames = np.zeros((2, height, width, 3), np.uint8)
    assert client.score(frames, ["gmail", "maps"]).scores.shape == (2,)
    serve.delete(application.name, _blocking=False)


def test_thresholds_and_prompts_change_without_a_restart(app):
    """The way of `serve deploy`: the same YAML with another user_config."""
    values = {
        "proxy_location": "Disabled",
        "applications": [
            {
                "name": "tunable",
                "route_prefix": None,
                "import_path": "serve_deployments.reward:app_builder",
                "args": ARGS.model_dump(mode="json"),
            }
        ],
    }
    apply(values)
    transport = HandleTransport("tunable")
    pid = transport.replica_info(timeout_s=10).pid
    assert transport.describe(timeout_s=10) == RewardModel(REWARD, TASK_SET).describe()
    pinned = RewardClient(transport)
    pinned.score(FRAMES, GOALS)

    values["applications"][0]["deployments"] = [
        {"name": "RewardDeployment", "user_config": {"tau": 0.3, "beta": 0.8, "template": "A"}}
    ]
    apply(values)
    expected = RewardModel(RewardConfig(model="fake", tau=0.3, beta=0.8, template="A"), TASK_SET)
    assert transport.describe(timeout_s=10) == expected.describe()
    np.testing.assert_array_equal(RewardClient(transport).score(FRAMES, GOALS).scores, expected.score(FRAMES, GOALS))
    assert transport.replica_info(timeout_s=10).pid == pid
    assert (
        RewardClient(HandleTransport(app)).score(FRAMES, GOALS).fingerprint == RewardModel(REWARD, TASK_SET).fingerprint
    )
    with pytest.raises(RewardServiceError, match="changed under this run"):
        pinned.score(FRAMES, GOALS)
    serve.delete("tunable", _blocking=False)


def apply(values):
    client = serve.context._get_global_client()
    client.deploy_apps(ServeDeploySchema.model_validate(values))
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        time.sleep(0.2)
        status = serve.status().applications["tunable"]
        if status.status == "RUNNING":
            return
        assert status.status != "DEPLOY_FAILED", status.message
    raise AssertionError(status)
