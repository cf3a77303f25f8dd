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

T = TypeVar("T")

# Requests up to this many bytes go straight to the replica's gRPC port, larger ones through Ray's object store: 2.2 ms
# against 5.1 for 16 x 64 x 64 x 3 frames. The port refuses messages above 4 MiB.
_MOST_BYTES_BY_VALUE = 3 * 2**20

# Longest wait in seconds for the controller's word on what is wrong, added to a call that has failed already.
_STATUS_TIMEOUT_S = 2.0

# What a request ends with when its replica, its way there or its application goes: no fault of the caller's.
_LOST = (RayError, RayServeException, grpc.RpcError, CancelledError, asyncio.CancelledError)


class HandleTransport:
    """Calls a reward application of the Serve instance on this process's Ray cluster.

    The handle is made at the first call, in the process that calls: RLlib pickles connectors, and builds them in the
    driver too, before there need be any service.
    """

    def __init__(self, app_name: str = "reward") -> None:
        """Name the application.

        Args:
            app_name: As deployed.
        """
        self.app_name = app_name
        self._lock = threading.Lock()
        # By method and whether its arguments go by reference; `handle.options` makes a new object at each call.
        self._methods: dict[tuple[str, bool], DeploymentHandle[Any]] | None = None

    def connect(self, timeout_s: float) -> None:
        """Find the application; see `Transport.connect`."""
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
        """Ask one replica for its counters."""
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
            # The next attempt looks the application up again, and so learns if it was deleted.
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

    def _look_up(self, timeout_s: float) -> dict[tuple[str, bool], DeploymentHandle[Any]]:
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
            raise RewardServiceUnavailableError(
                f"reward application {self.app_name!r} is not running on this Ray cluster; deploy it, as with "
                "`serve deploy serve_deployments/ladder.yaml`, or let the run do so: served_by.kind=deploy"
            ) from error
        by_value = handle.options(_by_reference=False, request_serialization="pickle", response_serialization="pickle")
        return {
            (name, by_reference): (handle if by_reference else by_value).options(method_name=name)
            for name in ("score", "score_all", "embed", "embed_texts", "describe", "replica_info")
            for by_reference in (False, True)
        }

    def _find(self) -> DeploymentHandle[Any]:
        try:
            return serve.get_app_handle(self.app_name)
        except RayServeException:
            # Serve does not know what an application is made of whose last change failed; its replicas may run.
            if not serves(self.app_name):
                raise
            return serve.get_deployment_handle(REWARD_DEPLOYMENT, self.app_name)

    def _state(self, error: BaseException) -> str:
        """Say how the application is, for the message about `error`.

        Raises:
            RewardServiceError: It cannot start, so it will not answer a retry either.
        """
        try:
            status = _within(_STATUS_TIMEOUT_S, serve.status).applications.get(self.app_name)
        except Exception:
            return "the Serve controller does not say how it is"  # only ever detail: `error` is what counts
        if status is None:
            return "it is not deployed"
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
        return {"app_name": self.app_name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        HandleTransport.__init__(self, **state)


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
