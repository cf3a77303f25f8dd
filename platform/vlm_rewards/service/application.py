"""A reward as a Serve application, from its arguments to what `serve.run` takes."""

import warnings
from typing import Any, cast

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from ray import serve
    from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, RequestRouterConfig
    from ray.serve.schema import LoggingConfig


from vlm_rewards.encoders import Encoder
from vlm_rewards.service.deployment import RewardDeployment
from vlm_rewards.service.routing import StickyRouter
from vlm_rewards.service.schema import RewardUserConfig
from vlm_rewards.service.serving import ReplicaLimits, RewardAppArgs

# How often in seconds replicas report their load, and over how long it is averaged: together with `upscale_delay_s`
# this is what a step in load waits before a replica is started for it.
_METRICS_INTERVAL_S = 0.25
_LOOK_BACK_S = 1.0


def build_app(
    args: RewardAppArgs,
    encoder: Encoder | None = None,
    user_config: RewardUserConfig | None = None,
    version: str | None = None,
) -> serve.Application:
    """Return the application, ready for `serve.run`.

    Args:
        args: The application.
        encoder: Used instead of loading `args.reward.model`, as to emulate an accelerator.
        user_config: Changes of `args.reward` that replicas take over without a restart.
        version: Name of the code and of all arguments but the number of replicas: replicas of the same stay when the
            application is deployed again. None restarts them.

    Raises:
        ConfigError: The task set's file is missing or wrong, or `user_config` cannot be used.
    """
    limits = args.replicas
    count: dict[str, Any] = {"num_replicas": limits.minimum}
    named: dict[str, Any] = {} if version is None else {"version": version}
    if limits.maximum > limits.minimum:
        count = {"autoscaling_config": _autoscaling(limits, args.max_batch_frames)}
    if limits.maximum > 1:
        count["request_router_config"] = RequestRouterConfig(request_router_class=cast(Any, StickyRouter))
    reward = args.reward if user_config is None else user_config.applied_to(args.reward)
    changeable = RewardUserConfig(
        template=reward.template, negatives=reward.negatives, tau=reward.tau, beta=reward.beta
    )
    # Serve's overloads do not tell that a class makes a deployment.
    deployment = cast(serve.Deployment, serve.deployment(RewardDeployment)).options(
        ray_actor_options={"num_cpus": args.num_cpus, "num_gpus": args.num_gpus},
        # A seam of Serve's own: without it `serve.run` restarts every replica, also where thresholds alone differ.
        _internal=True,
        user_config=changeable.model_dump(mode="json"),
        # A request has at least one frame, so batches can fill; the rest queues at its caller, which can be refused.
        max_ongoing_requests=2 * args.max_batch_frames,
        max_queued_requests=args.max_queued_requests,
        # A dead replica is noticed by its health check: this period is most of what can be saved in a restart.
        health_check_period_s=0.5,
        health_check_timeout_s=10.0,
        graceful_shutdown_wait_loop_s=0.1,
        graceful_shutdown_timeout_s=10.0,
        # A new version takes over when it is ready. Without a spare accelerator it would never be.
        max_surge_percent=0 if args.num_gpus else 100,
        logging_config=LoggingConfig(encoding="JSON", enable_access_log=False, log_level=args.log_level),
        **count,
        **named,
    )
    return deployment.bind(
        args.reward,
        args.loaded_task_set(),
        max_batch_frames=args.max_batch_frames,
        batch_wait_s=args.batch_wait_s,
        max_wait_s=args.max_wait_s,
        max_waiting_mb=args.max_waiting_mb,
        cache_mb=args.cache_mb,
        torch_threads=args.torch_threads or max(1, int(args.num_cpus)),
        encoder=encoder,
    )


def _autoscaling(limits: ReplicaLimits, max_batch_frames: int) -> AutoscalingConfig:
    with warnings.catch_warnings():
        # The interval's successor is an environment variable of the whole Serve instance, which is not ours to set.
        warnings.filterwarnings("ignore", message=".*metrics_interval_s.*")
        return AutoscalingConfig(
            min_replicas=limits.minimum,
            max_replicas=limits.maximum,
            upscale_delay_s=limits.upscale_delay_s,
            downscale_delay_s=limits.downscale_delay_s,
            metrics_interval_s=_METRICS_INTERVAL_S,
            look_back_period_s=_LOOK_BACK_S,
            policy=AutoscalingPolicy(
                policy_function="vlm_rewards.service.autoscaling:FramesWaitingPolicy",
                policy_kwargs={
                    "target_frames": limits.target_frames or max(1, max_batch_frames / 2),
                    "pinned": limits.pinned or limits.minimum,
                    "run_ends_after_s": limits.run_ends_after_s,
                },
            ),
        )
