"""The ladder's YAML: what a laptop can run is run, the rest is built."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from ray import serve
from ray.serve.schema import ServeDeploySchema

from serve_deployments.reward import app_builder
from vlm_rewards.encoders import packaged_models
from vlm_rewards.encoders.known_models import KNOWN_MODELS
from vlm_rewards.service import HandleTransport, RewardClient
from vlm_rewards.service.serving import RewardAppArgs

FOLDER = Path(__file__).resolve().parents[2] / "serve_deployments"


def applications(name: str) -> dict[str, RewardAppArgs]:
    schema = ServeDeploySchema.model_validate(yaml.safe_load((FOLDER / name).read_text()))
    for application in schema.applications:
        assert application.import_path == "serve_deployments.reward:app_builder"
        assert application.route_prefix is None
    names = [application.name for application in schema.applications]
    assert len(set(names)) == len(names)
    return {application.name: RewardAppArgs(**application.args) for application in schema.applications}


def test_the_laptops_ladder_serves_every_packaged_model(ray_session):
    apps = applications("ladder.yaml")
    assert {args.reward.model for args in apps.values()} == set(packaged_models())
    assert sum(args.num_cpus for args in apps.values()) <= 2
    serve.run_many([serve.RunTarget(app_builder(args), name=name, route_prefix=None) for name, args in apps.items()])
    try:
        for name, args in apps.items():
            client = RewardClient(HandleTransport(name))
            description = client.describe()
            assert (description.model, description.form) == (args.reward.model, args.reward.head.form)
            frames = np.zeros((2, *description.image_size, 3), np.uint8)
            scores = client.score(frames, description.goal_ids[:2]).scores
            rewards = description.reward(scores)
            assert rewards.shape == (2,)
            assert description.terminates == (args.reward.head.form == "softmax_binary")
    finally:
        for name in apps:
            serve.delete(name, _blocking=False)


def test_the_gpu_ladder_names_every_known_model_once():
    apps = applications("ladder-gpu.yaml")
    assert {name: args.reward.model for name, args in apps.items()} == {
        f"reward-{model.name}": model.source for model in KNOWN_MODELS
    }


@pytest.mark.parametrize("name", [f"reward-{model.name}" for model in KNOWN_MODELS])
def test_each_app_of_the_gpu_ladder_builds_with_limits_of_its_own(name):
    args = applications("ladder-gpu.yaml")[name]
    assert args.reward.device == "cuda"
    assert 0 < args.num_gpus <= 1
    assert args.replicas.maximum > args.replicas.minimum
    assert args.cache_mb
    deployment = app_builder(args)._bound_deployment
    assert deployment.ray_actor_options["num_gpus"] == args.num_gpus
    scaling = deployment._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (args.replicas.minimum, args.replicas.maximum)
    kwargs = scaling.policy.policy_kwargs
    assert kwargs["target_frames"] == args.replicas.target_frames <= args.max_batch_frames
