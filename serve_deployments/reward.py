"""A reward model as a Serve application: typed arguments, builder, deployment.

From a program `deploy(RewardAppArgs(...))`; on a running cluster `serve deploy serve_deployments/pocket.yaml`.
"""

import re
import time
import warnings
from contextlib import suppress
from typing import Any, Literal

import ray
from pydantic import Field, model_validator
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

import vlm_rewards.errors
from vlm_rewards.encoders import Encoder
from vlm_rewards.errors import ConfigError, RewardServiceError, RewardTimeoutError, VLMRewardsError
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.service import RewardUserConfig
from vlm_rewards.service.deployment import RewardDeployment
from vlm_rewards.strict_config import StrictConfig

_POLL_S = 0.1

# How often in seconds replicas report their load, and over how long it is averaged: together with `upscale_delay_s`
# this is what a step in load waits before a replica is started for it.
_METRICS_INTERVAL_S = 0.25
_LOOK_BACK_S = 1.0


class ReplicaLimits(StrictConfig):
    """How many replicas run, and when that changes.

    Attributes:
        minimum: replicas that always run; with one, a lost replica stalls callers for the seconds of a restart.
        maximum: with more than `minimum`, their number follows the frames that wait; see `FramesWaitingPolicy`.
        target_frames: frames a replica, waiting or being encoded, that scaling aims at; None takes half a batch.
        upscale_delay_s: seconds of too high a load before replicas are added.
        downscale_delay_s: seconds of too low a load before they are removed.
        pinned: replicas kept while a run is on, however little they have to do between two rollouts; None takes
            `minimum`.
        run_ends_after_s: seconds without a request after which a run counts as over.
    """

    minimum: int = Field(default=1, ge=1)
    maximum: int = Field(default=1, ge=1)
    target_frames: float | None = Field(default=None, gt=0)
    upscale_delay_s: float = Field(default=0.5, ge=0)
    downscale_delay_s: float = Field(default=60.0, ge=0)
    pinned: int | None = Field(default=None, ge=1)
    run_ends_after_s: float = Field(default=120.0, gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> "ReplicaLimits":
        if self.maximum < self.minimum:
            raise ValueError(f"maximum is {self.maximum}, below minimum {self.minimum}; raise it")
        if self.pinned is not None and not self.minimum <= self.pinned <= self.maximum:
            raise ValueError(f"pinned is {self.pinned}, not between minimum {self.minimum} and maximum {self.maximum}")
        return self

    def autoscaling(self, max_batch_frames: int) -> AutoscalingConfig:
        """Returns what Serve shall scale by.

        Args:
            max_batch_frames: frames of a full batch.
        """
        with warnings.catch_warnings():
            # The interval's successor is an environment variable of the whole Serve instance, which is not ours to set.
            warnings.filterwarnings("ignore", message=".*metrics_interval_s.*")
            return AutoscalingConfig(
                min_replicas=self.minimum,
                max_replicas=self.maximum,
                upscale_delay_s=self.upscale_delay_s,
                downscale_delay_s=self.downscale_delay_s,
                metrics_interval_s=_METRICS_INTERVAL_S,
                look_back_period_s=_LOOK_BACK_S,
                policy=AutoscalingPolicy(
                    policy_function="vlm_rewards.service.autoscaling:FramesWaitingPolicy",
                    policy_kwargs={
                        "target_frames": self.target_frames or max(1, max_batch_frames / 2),
                        "pinned": self.pinned or self.minimum,
                        "run_ends_after_s": self.run_ends_after_s,
                    },
                ),
            )


class RewardAppArgs(StrictConfig):
    """Arguments of one reward application.

    Attributes:
        reward: what to compute.
        task_set: the goals: inline, the name of a packaged task set such as `open_common_apps`, or the path of a .yaml
            file.
        num_cpus: reserved for each replica, may be fractional. Serve replicas share the cluster with env runners:
            what is reserved here is not available to them.
        num_gpus: reserved for each replica, may be fractional.
        torch_threads: threads of one forward; None takes `num_cpus` rounded down, at least 1.
        max_batch_frames: most frames in one encoder call.
        batch_wait_s: seconds that a batch waits for more frames after its first request. 0 still batches whatever
            came in while the batch before was running.
        max_queued_requests: requests that one caller may have waiting before it is refused.
        max_wait_s: a replica refuses a request that would wait longer than this for those before it.
        max_waiting_mb: MiB of frames that may wait in a replica.
        cache_mb: MiB of each replica for embeddings of frames seen before; 0 keeps none. Screens and rooms repeat:
            10 MiB hold some 4,000 frames of a 512-dimensional encoder.
        log_level: of the replicas' logs, one JSON object a line. WARNING names refused requests, INFO every one.
        replicas: how many.
    """

    reward: RewardConfig
    task_set: TaskSet | str
    num_cpus: float = Field(default=0.5, ge=0)
    num_gpus: float = Field(default=0, ge=0)
    torch_threads: int | None = Field(default=None, ge=1)
    max_batch_frames: int = Field(default=128, ge=1)
    batch_wait_s: float = Field(default=0.0, ge=0)
    max_queued_requests: int = Field(default=1000, ge=1)
    max_wait_s: float = Field(default=3.0, gt=0)
    max_waiting_mb: int = Field(default=512, ge=1)
    cache_mb: int = Field(default=0, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    replicas: ReplicaLimits = ReplicaLimits()

    def loaded_task_set(self) -> TaskSet:
        """Returns the task set itself.

        Raises:
            ConfigError: there is none of this name, or its file is missing or wrong.
        """
        if isinstance(self.task_set, TaskSet):
            return self.task_set
        return TaskSet.named_or_from_yaml(self.task_set)


def build_app(args: RewardAppArgs, encoder: Encoder | None = None) -> serve.Application:
    """Returns the application, ready for `serve.run`.

    Args:
        args: the application.
        encoder: used instead of loading `args.reward.model`, as to emulate an accelerator.

    Raises:
        ConfigError: the task set's file is missing or wrong.
    """
    limits = args.replicas
    count: dict[str, Any] = {"num_replicas": limits.minimum}
    if limits.maximum > limits.minimum:
        count = {"autoscaling_config": limits.autoscaling(args.max_batch_frames)}
    user_config = RewardUserConfig(
        template=args.reward.template,
        negatives=args.reward.negatives,
        tau=args.reward.tau,
        beta=args.reward.beta,
    )
    deployment = serve.deployment(RewardDeployment).options(
        ray_actor_options={"num_cpus": args.num_cpus, "num_gpus": args.num_gpus},
        user_config=user_config.model_dump(mode="json"),
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


def app_builder(args: RewardAppArgs) -> serve.Application:
    """The `import_path` of Serve YAML: `serve_deployments.reward:app_builder`."""
    return build_app(args)


def deploy(
    args: RewardAppArgs, app_name: str = "reward", timeout_s: float = 180.0, encoder: Encoder | None = None
) -> DeploymentHandle:
    """Deploys or replaces an application and waits until it serves. Other applications are left alone.

    Starts Serve without its HTTP proxy if it does not run yet; Ray must run.

    Args:
        args: the application.
        app_name: its name, by which `HandleTransport` finds it.
        timeout_s: longest wait in seconds.
        encoder: see `build_app`.

    Returns:
        The application's handle; `RewardClient(HandleTransport(app_name))` is the better way to call it.

    Raises:
        ConfigError: arguments that cannot be used, found here or by the first replica.
        CheckpointError: the model is no usable dual encoder.
        SelfCheckError: the model's weights are not the recorded ones.
        RewardServiceError: the replica failed in another way.
        RewardTimeoutError: it did not start in time, as when the cluster has too few free CPUs.
    """
    if not ray.is_initialized():
        raise ConfigError("Ray is not running in this process; call ray.init() before deploying a reward application")
    app = build_app(args, encoder)
    serve.start(proxy_location="Disabled")
    old_messages = _messages(app_name)
    serve.run_many([serve.RunTarget(target=app, name=app_name, route_prefix=None)], wait_for_applications_running=False)
    try:
        _wait_until_running(app_name, timeout_s, old_messages or [])
    except VLMRewardsError:
        if old_messages is None:
            serve.delete(app_name, _blocking=False)
        raise
    return serve.get_app_handle(app_name)


def undeploy(app_name: str) -> None:
    """Takes an application down, without waiting for it. A dead cluster needs no tidying, and hides no other error."""
    with suppress(RayError, RayServeException):
        serve.delete(app_name, _blocking=False)


def _wait_until_running(app_name: str, timeout_s: float, old_messages: list[str]) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        status = serve.status().applications[app_name].status
        # Those of an earlier deployment stay until there is something new to say.
        messages = [message for message in _messages(app_name) or [] if message not in old_messages]
        if status == "RUNNING":
            return
        for message in messages:
            _raise_own_error(message)
        if status == "DEPLOY_FAILED":
            raise RewardServiceError(
                f"reward application {app_name!r} failed to start: {_last_line(messages)}; its replica's log says more"
            )
        if time.monotonic() > deadline:
            raise RewardTimeoutError(
                f"reward application {app_name!r} did not start in {timeout_s:g} s ({_last_line(messages)}); "
                "free some CPUs, lower num_cpus, or raise timeout_s"
            )
        time.sleep(_POLL_S)


def _messages(app_name: str) -> list[str] | None:
    """Returns what Serve has to say of an application's deployments and then of itself; None if there is none."""
    app = serve.status().applications.get(app_name)
    if app is None:
        return None
    messages = [*(deployment.message for deployment in app.deployments.values()), app.message]
    return [message for message in messages if message.strip()]


def _raise_own_error(message: str) -> None:
    """Raises the library's error that a replica's constructor ended with, if it did.

    Serve reports it as the text of a traceback, and would try the same constructor again and again.
    """
    for name, text in re.findall(r"^vlm_rewards\.errors\.(\w+): (.*)$", message, flags=re.MULTILINE)[-1:]:
        raise getattr(vlm_rewards.errors, name, RewardServiceError)(text)


def _last_line(messages: list[str]) -> str:
    return messages[0].strip().splitlines()[-1] if messages else "no reason given"
