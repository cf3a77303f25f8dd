"""Putting a reward application on the Ray cluster of this process, and taking it down again."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    import ray
    from ray import serve
    from ray.exceptions import RayError
    from ray.serve.exceptions import RayServeException
    from ray.serve.handle import DeploymentHandle


import vlm_rewards.errors
from vlm_rewards.encoders import Encoder
from vlm_rewards.errors import ConfigError, RewardServiceError, RewardTimeoutError
from vlm_rewards.service.application import build_app
from vlm_rewards.service.serving import RewardAppArgs

_POLL_S = 0.1


def deploy(
    args: RewardAppArgs, app_name: str = "reward", timeout_s: float = 180.0, encoder: Encoder | None = None
) -> DeploymentHandle[Any]:
    """Deploy or replace an application and wait until it serves. Other applications are left alone.

    Starts Serve without its HTTP proxy if it does not run yet; Ray must run.

    Args:
        args: The application.
        app_name: Its name, by which `HandleTransport` finds it.
        timeout_s: Longest wait in seconds.
        encoder: See `build_app`.

    Returns:
        The application's handle; `RewardClient(HandleTransport(app_name))` is the better way to call it.

    Raises:
        ConfigError: Arguments that cannot be used, found here or by the first replica.
        CheckpointError: The model is no usable dual encoder.
        SelfCheckError: The model's weights are not the recorded ones.
        RewardServiceError: The replica failed in another way.
        RewardTimeoutError: It did not start in time, as when the cluster has too few free CPUs.
    """
    if not ray.is_initialized():
        raise ConfigError("Ray is not running in this process; call ray.init() before deploying a reward application")
    _check_gpus(args)
    app = build_app(args, encoder)
    serve.start(proxy_location="Disabled")
    old_messages = _messages(app_name)
    serve.run_many([serve.RunTarget(target=app, name=app_name, route_prefix=None)], wait_for_applications_running=False)
    try:
        _wait_until_running(app_name, timeout_s, old_messages or [])
    except BaseException:
        # Whoever interrupts the wait does not want the application either.
        if old_messages is None:
            undeploy(app_name)
        raise
    return serve.get_app_handle(app_name)


def undeploy(app_name: str) -> None:
    """Take an application down, without waiting for it. A dead cluster needs no tidying, and hides no other error."""
    with suppress(RayError, RayServeException):
        serve.delete(app_name, _blocking=False)


@contextmanager
def deployed(args: RewardAppArgs, app_name: str, timeout_s: float = 180.0) -> Iterator[None]:
    """Serve an application for the duration; see `deploy`."""
    deploy(args, app_name, timeout_s)
    try:
        yield
    finally:
        # A cluster outlives the run; what the run has deployed for itself must not.
        undeploy(app_name)


def _check_gpus(args: RewardAppArgs) -> None:
    """Refuse to wait for a GPU where there is none."""
    wanted = args.num_gpus * args.replicas.minimum
    there = ray.cluster_resources().get("GPU", 0)
    if wanted > there:
        raise ConfigError(
            f"{args.replicas.minimum} replicas of {args.num_gpus:g} GPUs need {wanted:g}, and the Ray cluster has "
            f"{there:g} in all: add nodes with GPUs, or set num_gpus=0 and reward.device=cpu"
        )


def _wait_until_running(app_name: str, timeout_s: float, old_messages: list[str]) -> None:
    deadline = time.monotonic() + timeout_s
    # Those of an earlier deployment stay until there is something new to say, and its last replica may fail once more.
    old_errors = {error for message in old_messages if (error := _own_error(message)) is not None}
    while True:
        status = serve.status().applications[app_name].status
        said = _messages(app_name) or []
        messages = [message for message in said if message not in old_messages]
        if status == "RUNNING":
            return
        for error in map(_own_error, messages):
            if error is not None and error not in old_errors:
                _raise(error)
        if status == "DEPLOY_FAILED":
            for error in map(_own_error, said):
                if error is not None:
                    _raise(error)
            raise RewardServiceError(
                f"reward application {app_name!r} failed to start: {_last_line(messages)}; its replica's log says more"
            )
        if time.monotonic() > deadline:
            raise RewardTimeoutError(
                f"reward application {app_name!r} did not start in {timeout_s:g} s ({_last_line(messages)}); "
                "free some CPUs, lower num_cpus, or raise start_timeout_s"
            )
        time.sleep(_POLL_S)


def _messages(app_name: str) -> list[str] | None:
    """Return what Serve has to say of an application's deployments and then of itself; None if there is none."""
    app = serve.status().applications.get(app_name)
    if app is None:
        return None
    messages = [*(deployment.message for deployment in app.deployments.values()), app.message]
    return [message for message in messages if message.strip()]


def _own_error(message: str) -> tuple[str, str] | None:
    """Return name and text of the library's error that a replica's constructor ended with, if it did.

    Serve reports it as the text of a traceback, and would try the same constructor again and again.
    """
    found = re.findall(r"^vlm_rewards\.errors\.(\w+): (.*)$", message, flags=re.MULTILINE)
    return found[-1] if found else None


def _raise(error: tuple[str, str]) -> NoReturn:
    name, text = error
    raise getattr(vlm_rewards.errors, name, RewardServiceError)(text)


def _last_line(messages: list[str]) -> str:
    return messages[0].strip().splitlines()[-1] if messages else "no reason given"
