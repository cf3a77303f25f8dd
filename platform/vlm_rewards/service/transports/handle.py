"""Rewards from a Ray Serve application, by its handle."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    import grpc
    import ray
    from ray import serve
    from ray.exceptions import RayError, RayTaskError
    from ray.serve._private.common import ReplicaState
    from ray.serve.exceptions import BackPressureError, RayServeException
    from ray.serve.handle import DeploymentHandle
    from ray.serve.schema import ApplicationStatus

from vlm_rewards.errors import (
    RewardOverloadedError,
    RewardServiceError,
    RewardServiceUnavailableError,
    RewardTimeoutError,
    VLMRewardsError,
)
from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.service.live import REWARD_DEPLOYMENT, serves
from vlm_rewards.service.schema import EmbedResult, ReplicaInfo, ScoreResult, TextResult
from vlm_rewards.service.transports.controller import Pace, Shared

T = TypeVar("T")

# Requests up to this many bytes go straight to the replica's gRPC port, larger ones through Ray's object store: 2.2 ms
# against 5.1 for 16 x 64 x 64 x 3 frames. The port refuses messages above 4 MiB.
_MOST_BYTES_BY_VALUE = 3 * 2**20

# Longest wait in seconds for the controller's word on what is wrong, added to a call that has failed already.
_STATUS_TIMEOUT_S = 2.0

# Seconds to which the controller's word counts as news.
_NEWS_S = 2.0

# Seconds of an outage before the application is looked up again: its handle finds new replicas by itself, but not
# another Serve instance.
_LOOKS_AGAIN_AFTER_S = 5.0

# What a request ends with when its replica, its way there or its application goes: no fault of the caller's.
_LOST = (RayError, RayServeException, grpc.RpcError, CancelledError, asyncio.CancelledError)


_Methods = dict[tuple[str, bool], "DeploymentHandle[Any]"]


def methods_of(handle: DeploymentHandle[Any]) -> _Methods:
    """Return an application's methods, by name and whether their arguments go by reference; one router is behind all.

    Both ways are named, and a thread of its own for the router: `RAY_SERVE_THROUGHPUT_OPTIMIZED=1`, in whose processes
    Serve sends everything by gRPC and answers no thread, changes nothing here.

    Args:
        handle: As `serve.get_app_handle` gives it.
    """
    if not handle.is_initialized:
        handle._init(_run_router_in_separate_loop=True)
    by_value = handle.options(_by_reference=False, request_serialization="pickle", response_serialization="pickle")
    large = handle.options(_by_reference=True)
    return {
        (name, by_reference): (large if by_reference else by_value).options(method_name=name)
        for name in ("score", "score_all", "embed", "embed_texts", "describe", "replica_info")
        for by_reference in (False, True)
    }


class _Known:
    """What a process has looked up: with it the routers behind, one an application, however many callers it has."""

    def __init__(self) -> None:
        self._methods: dict[tuple[str, str], _Methods] = {}
        self._doubts: dict[str, Pace] = {}

    def get(self, app_name: str) -> _Methods | None:
        return self._methods.get(self._key(app_name)) if ray.is_initialized() else None

    def put(self, app_name: str, methods: _Methods) -> None:
        self._methods[self._key(app_name)] = methods

    def forget(self, app_name: str) -> None:
        if ray.is_initialized():
            self._methods.pop(self._key(app_name), None)

    def is_doubtful(self, app_name: str, callers: int) -> bool:
        """Tell whether it is time to look up again what keeps failing: another Serve instance may run by now."""
        return self._doubts.setdefault(app_name, Pace(_LOOKS_AGAIN_AFTER_S, callers)).is_due()

    def _key(self, app_name: str) -> tuple[str, str]:
        # Handles are of one connection to Ray.
        return ray.get_runtime_context().get_job_id(), app_name


class HandleTransport:
    """Calls a reward application of the Serve instance on this process's Ray cluster.

    The handle is made at the first call, in the process that calls: RLlib pickles connectors, and builds them in the
    driver too, before there need be any service.

    Attributes:
        app_name: As deployed.
        callers: Processes that call it so, which share the controller in an outage.
    """

    def __init__(self, app_name: str = "reward", callers: int = 1) -> None:
        """Name the application.

        Args:
            app_name: As deployed.
            callers: Processes that call it so, which share the controller in an outage.
        """
        self.app_name = app_name
        self.callers = callers
        self._status, self._known = _STATUS, _KNOWN
        self._lock = threading.Lock()
        # By method and whether its arguments go by reference; `handle.options` makes a new object at each call.
        self._methods: _Methods | None = None

    def shared_by(self, callers: int) -> "HandleTransport":
        """Return a transport to the same application of which so many processes have a copy."""
        return self if callers == self.callers else HandleTransport(self.app_name, callers)

    def connect(self, timeout_s: float) -> None:
        """Find the application; see `Transport.connect`."""
        if self._methods is None:
            # What this process knew of it may have gone since.
            self._known.forget(self.app_name)
            self._method("score", False, timeout_s)

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Score frames; see `Transport.score`."""
        result: ScoreResult = self._call("score", timeout_s, frames, list(goal_ids))
        return result

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Score each frame against each goal; see `Transport.score_all`."""
        result: ScoreResult = self._call("score_all", timeout_s, frames, list(goal_ids))
        return result

    def embed(self, frames: npt.NDArray[np.uint8], timeout_s: float) -> EmbedResult:
        """Embed frames; see `Transport.embed`."""
        result: EmbedResult = self._call("embed", timeout_s, frames)
        return result

    def embed_texts(self, texts: Sequence[str], timeout_s: float) -> TextResult:
        """Embed texts; see `Transport.embed_texts`."""
        result: TextResult = self._call("embed_texts", timeout_s, list(texts))
        return result

    def describe(self, timeout_s: float) -> RewardDescription:
        """Ask one replica for its description; see `Transport.describe`."""
        result: RewardDescription = self._call("describe", timeout_s)
        return result

    def replica_info(self, timeout_s: float) -> ReplicaInfo:
        """Ask one replica for its counters.

        Raises:
            VLMRewardsError: No answer in time, or none at all; see `Transport.describe`.
        """
        result: ReplicaInfo = self._call("replica_info", timeout_s)
        return result

    def _call(self, method: str, timeout_s: float, *arguments: Any) -> Any:
        by_reference = any(getattr(argument, "nbytes", 0) > _MOST_BYTES_BY_VALUE for argument in arguments)
        response = None
        try:
            response = self._method(method, by_reference, timeout_s).remote(*arguments)
            return response.result(timeout_s=timeout_s)
        except VLMRewardsError as error:
            # By reference, Ray puts the replica's traceback into the message; the cause has the one line alone.
            raise getattr(error, "cause", error) from None
        except BackPressureError as error:
            raise RewardOverloadedError(
                f"reward application {self.app_name!r} refuses requests because its queue is full; "
                "add replicas or send fewer at a time"
            ) from error
        except TimeoutError as error:
            if response is not None:
                cast(Any, response).cancel()
            raise RewardTimeoutError(
                f"no answer from reward application {self.app_name!r} in {timeout_s:.3g} s ({self._state(error)}); "
                "add replicas, raise timeout_s, or look at `serve status`"
            ) from error
        except Exception as error:
            reason = error.cause if isinstance(error, RayTaskError) else error
            if not isinstance(reason, _LOST):
                raise RewardServiceError(
                    f"reward application {self.app_name!r} failed at a request ({_one_line(reason)}); its log says more"
                ) from error
            if self._known.is_doubtful(self.app_name, self.callers):
                self._known.forget(self.app_name)
            self._methods = None
            raise RewardServiceUnavailableError(
                f"reward application {self.app_name!r} lost the request ({type(reason).__name__}, "
                f"{self._state(error)}); send it again"
            ) from error

    def _method(self, name: str, by_reference: bool, timeout_s: float) -> DeploymentHandle[Any]:
        methods = self._methods
        if methods is None:
            with self._lock:
                methods = self._methods = self._methods or self._look_up(timeout_s)
        return methods[name, by_reference]

    def _look_up(self, timeout_s: float) -> _Methods:
        if (known := self._known.get(self.app_name)) is not None:
            return known
        if not ray.is_initialized():
            # `serve` would start or join some cluster on its own.
            raise RewardServiceUnavailableError(
                "Ray is not running in this process; call ray.init() and deploy the reward application first"
            )
        try:
            handle = _within(timeout_s, self._find)
        except TimeoutError as error:
            raise RewardTimeoutError(
                f"the Serve controller did not answer in {timeout_s:.3g} s; look at `serve status`"
            ) from error
        except (RayError, RayServeException) as error:
            raise RewardServiceUnavailableError(_not_running(self.app_name)) from error
        methods = methods_of(handle)
        self._known.put(self.app_name, methods)
        return methods

    def _find(self) -> DeploymentHandle[Any]:
        try:
            return serve.get_app_handle(self.app_name)
        except RayServeException:
            # Serve does not know what an application is made of whose last change failed; its replicas may run.
            if not serves(self.app_name):
                raise
            return serve.get_deployment_handle(REWARD_DEPLOYMENT, self.app_name)

    def _state(self, error: BaseException) -> str:
        """Say how the application is, for the message about `error`, as far as the controller was asked lately.

        Raises:
            RewardServiceUnavailableError: It is not deployed.
            RewardServiceError: It cannot start, so it will not answer a retry either.
        """
        pace = self._status.pace
        pace.callers = max(pace.callers, self.callers)
        try:
            overview, age_s = self._status.get()
        except Exception:
            return _UNKNOWN  # only ever detail: `error` is what counts
        if overview is None:
            return _UNKNOWN
        status = overview.applications.get(self.app_name)
        if age_s > _NEWS_S:
            # What was so then may have been mended since: worth another attempt.
            return f"{age_s:.0f} s ago it was " + ("not deployed" if status is None else status.status.value)
        if status is None:
            raise RewardServiceUnavailableError(_not_running(self.app_name)) from error
        deployments = status.deployments.values()
        serving = any(d.replica_states.get(ReplicaState.RUNNING) for d in deployments)
        if status.status == ApplicationStatus.DEPLOY_FAILED and not (serving or self._still_serves()):
            messages = [message.strip() for message in (*(d.message for d in deployments), status.message)]
            reason = next((message.splitlines()[-1] for message in messages if message), "no reason given")
            raise RewardServiceError(
                f"reward application {self.app_name!r} failed to start: {reason}; correct that and deploy it again"
            ) from error
        return f"it is {status.status.value}"

    def _still_serves(self) -> bool:
        try:
            return _within(_STATUS_TIMEOUT_S, lambda: serves(self.app_name))
        except Exception:
            return True  # nobody says otherwise: worth another attempt

    def __getstate__(self) -> dict[str, Any]:
        return {"app_name": self.app_name, "callers": self.callers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        HandleTransport.__init__(self, **state)


def _not_running(app_name: str) -> str:
    return (
        f"reward application {app_name!r} is not running on this Ray cluster; deploy it, as with "
        "`serve deploy serve_deployments/ladder.yaml`, or let the run do so: served_by.kind=deploy"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _within(timeout_s: float, work: Callable[[], T]) -> T:
    """Bound controller calls, which have no timeout of their own.

    Raises:
        TimeoutError: `work` goes on in the background.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="reward-lookup", daemon=True).start()
    return future.result(timeout_s)


# Of the whole process: one answer speaks of all applications.
_KNOWN = _Known()
_STATUS = Shared(lambda: _within(_STATUS_TIMEOUT_S, serve.status), Pace())
_UNKNOWN = "the Serve controller has not said how it is"
