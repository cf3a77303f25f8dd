"""A reward model as a Serve application, for Serve YAML: `serve deploy serve_deployments/pocket.yaml`.

Programs use `vlm_rewards.service.deploying.deploy`, and presets `served_by: {kind: deploy, ...}`: the arguments are the
same.
"""

from ray import serve

from vlm_rewards.service.application import build_app
from vlm_rewards.service.serving import RewardAppArgs


def app_builder(args: RewardAppArgs) -> serve.Application:
    """Return the `import_path` of Serve YAML: `serve_deployments.reward:app_builder`."""
    return build_app(args)
