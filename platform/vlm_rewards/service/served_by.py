"""The one way to a reward: where it is computed, as one setting, and a client of it for the duration.

    with connect(served_by, reward, task_set) as client:
        client.score(frames, goal_ids)

A kind is a class of its own; adding it to `SERVED_BY` makes it known to presets, to `--set` and to error messages.
"""

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from vlm_rewards.encoders import Encoder
from vlm_rewards.goals import TaskSet
from vlm_rewards.registry import Registry
from vlm_rewards.reward_model import RewardConfig, RewardDescription, RewardModel
from vlm_rewards.service.client import RewardClient
from vlm_rewards.service.matching import refuse_another_reward
from vlm_rewards.service.serving import RewardAppArgs, ServingArgs, check_device
from vlm_rewards.service.transports import HttpTransport, InProcessTransport, Transport
from vlm_rewards.service.transports.http import TOKEN_VARIABLE
from vlm_rewards.service.transports.in_process import ModelSource
from vlm_rewards.strict_config import StrictConfig


class ServedByKind(StrictConfig):
    """What the ways to a reward have in common.

    Attributes:
        kind: The way's name.
        timeout_s: Seconds that one attempt at a request may take.
        deadline_s: Seconds that a request may take with all its retries; below RLlib's `sample_timeout_s`.
        max_in_flight: Most requests of one client that are unanswered at a time; more wait.
    """

    uses_ray: ClassVar[bool] = False

    kind: str
    timeout_s: float = Field(default=20.0, gt=0)
    deadline_s: float = Field(default=50.0, gt=0)
    max_in_flight: int = Field(default=16, ge=1)

    @property
    def least_cpus(self) -> float:
        """CPUs of the Ray cluster without which it cannot begin, beside those of the run's own processes."""
        return 0.0

    @property
    def most_cpus(self) -> float:
        """CPUs of the Ray cluster that it may come to take."""
        return self.least_cpus

    def check(self, reward: RewardConfig) -> None:
        """Refuse a reward that cannot be served so.

        Raises:
            ConfigError: The message says why.
        """

    def without_ray(self) -> "ServedByKind":
        """Return the way to the same reward for a process outside any Ray cluster."""
        return self

    def open(
        self, reward: RewardConfig, task_set: TaskSet, encoder: Encoder | None
    ) -> AbstractContextManager[Transport]:
        """Serve a reward, or find it, for the duration; see `connect`."""
        raise NotImplementedError

    def compare(
        self, description: RewardDescription, reward: RewardConfig, task_set: TaskSet, encoder: Encoder | None
    ) -> None:
        """Refuse what answers if it is not the reward; what was made from the settings is.

        Raises:
            ConfigError: It is another reward.
        """


class InProcess(ServedByKind):
    """The model in each process that asks: in each env runner, or in the learner's own.

    Attributes:
        kind: `in_process`.
        torch_threads: Threads of one forward.
        cache_mb: Memory in MiB that each process keeps embeddings of frames in that came before; 0 for none. Rewards
            are the same to the bit; phone screens come back all the time.
        num_gpus: GPUs reserved for each env runner that is a process of its own, may be fractional.
    """

    kind: Literal["in_process"] = "in_process"
    torch_threads: int = Field(default=1, ge=1)
    cache_mb: int = Field(default=64, ge=0)
    num_gpus: float = Field(default=0, ge=0)

    def open(
        self, reward: RewardConfig, task_set: TaskSet, encoder: Encoder | None
    ) -> AbstractContextManager[Transport]:
        """Name the model; it is loaded with the first request, in each process."""
        if encoder is not None:
            return nullcontext(InProcessTransport(RewardModel(reward, task_set, encoder)))
        return nullcontext(InProcessTransport(ModelSource(reward, task_set, self.torch_threads, self.cache_mb)))


class Deploy(ServedByKind, ServingArgs):
    """An application that the run deploys on its Ray cluster, and takes down at its end.

    Attributes:
        kind: `deploy`.
        cache_mb: As for any application; kept by default, for a run's screens come back all the time.
        start_timeout_s: Longest wait in seconds for its first replica.
    """

    uses_ray: ClassVar[bool] = True

    kind: Literal["deploy"] = "deploy"
    cache_mb: int = Field(default=64, ge=0)
    start_timeout_s: float = Field(default=180.0, gt=0)

    @property
    def least_cpus(self) -> float:
        """CPUs of the replicas that always run."""
        return self.num_cpus * self.replicas.minimum

    @property
    def most_cpus(self) -> float:
        """CPUs of all replicas that there may be."""
        return self.num_cpus * self.replicas.maximum

    def check(self, reward: RewardConfig) -> None:
        """Refuse a reward on a GPU that no replica would see."""
        check_device(reward, self.num_gpus)

    def without_ray(self) -> InProcess:
        """Return the model in the process itself."""
        return InProcess(torch_threads=self.torch_threads or max(1, int(self.num_cpus)), cache_mb=self.cache_mb)

    def app_args(self, reward: RewardConfig, task_set: TaskSet) -> RewardAppArgs:
        """Return the application that serves a reward so."""
        values = {name: getattr(self, name) for name in ServingArgs.model_fields}
        return RewardAppArgs(reward=reward, task_set=task_set, **values)

    @contextmanager
    def open(self, reward: RewardConfig, task_set: TaskSet, encoder: Encoder | None) -> Iterator[Transport]:
        """Serve it under a name of its own."""
        # Imported here, as below: a model in this process and a gateway are reached without ray.
        from vlm_rewards.service.deploying import deployed
        from vlm_rewards.service.transports.handle import HandleTransport

        # Of this run alone: on a cluster another may serve the same model with another threshold.
        name = f"reward-{Path(reward.model).name}-{uuid.uuid4().hex[:8]}"
        with deployed(self.app_args(reward, task_set), name, self.start_timeout_s):
            yield HandleTransport(name)


class _Running(ServedByKind):
    """A reward that somebody else serves.

    Attributes:
        fingerprint: The reward that must answer, as `describe` gives it; None compares the model itself where this
            machine has it, and else its name.
    """

    fingerprint: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")

    @property
    def label(self) -> str:
        """What it is called in messages."""
        raise NotImplementedError

    def compare(
        self, description: RewardDescription, reward: RewardConfig, task_set: TaskSet, encoder: Encoder | None
    ) -> None:
        """Refuse an application that serves another reward; see `refuse_another_reward`."""
        refuse_another_reward(description, reward, task_set, self.label, self.fingerprint, encoder)


class Attach(_Running):
    """An application that runs on this Ray cluster, such as one of `serve deploy serve_deployments/ladder.yaml`.

    It is refused where its goals, head or model are not the settings', and left running.

    Attributes:
        kind: `attach`.
        app: Its name.
    """

    uses_ray: ClassVar[bool] = True

    kind: Literal["attach"] = "attach"
    app: str = Field(min_length=1)

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"reward application {self.app!r}"

    def without_ray(self) -> InProcess:
        """Return the model in the process itself."""
        return InProcess()

    def open(
        self, reward: RewardConfig, task_set: TaskSet, encoder: Encoder | None
    ) -> AbstractContextManager[Transport]:
        """Name the application."""
        from vlm_rewards.service.transports.handle import HandleTransport

        return nullcontext(HandleTransport(self.app))


class Http(_Running):
    """A model behind a reward gateway, on this or another machine; refused as for `attach`.

    Attributes:
        kind: `http`.
        url: URL of the gateway, such as `http://127.0.0.1:8765`.
        model: Its name there, as `GET /v1/models` lists it.
        token_variable: Environment variable that holds the bearer token. Only its name travels: a token would end up
            in checkpoints. Env runners on other nodes have the variable by Ray's `runtime_env`.
    """

    kind: Literal["http"] = "http"
    url: str
    model: str = Field(min_length=1)
    token_variable: str = Field(default=TOKEN_VARIABLE, min_length=1)

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"model {self.model!r} of {self.url}"

    @contextmanager
    def open(self, reward: RewardConfig, task_set: TaskSet, encoder: Encoder | None) -> Iterator[Transport]:
        """Name the gateway's model."""
        transport = HttpTransport(self.url, self.model, token_variable=self.token_variable)
        try:
            yield transport
        finally:
            transport.close()


SERVED_BY: Registry[ServedByKind] = Registry("served_by", "kind", InProcess, Deploy, Attach, Http, default="deploy")

ServedBy = Annotated[SerializeAsAny[ServedByKind], BeforeValidator(SERVED_BY.parse)]


@contextmanager
def connect(
    served_by: ServedByKind, reward: RewardConfig, task_set: TaskSet, *, encoder: Encoder | None = None
) -> Iterator[RewardClient]:
    """Serve or find a reward for the duration, and give a client of it.

    The client accepts answers of this reward only. It can be pickled to other processes, such as env runners; what it
    takes along are settings and addresses, and no weights unless `encoder` was given.

    Args:
        served_by: The way to it.
        reward: The reward.
        task_set: Its goals.
        encoder: `reward.model` as the caller has loaded it, if it has: used in process, and compared with that of
            an application which runs already. One that is deployed loads its own.

    Raises:
        ConfigError: The settings cannot be used, or what runs there is another reward.
        CheckpointError: The model is no usable dual encoder.
        SelfCheckError: Its weights are not the recorded ones.
        RewardServiceError: It cannot be served, or does not answer.
    """
    served_by.check(reward)
    with served_by.open(reward, task_set, encoder) as transport:
        client = RewardClient(
            transport,
            timeout_s=served_by.timeout_s,
            deadline_s=served_by.deadline_s,
            max_in_flight=served_by.max_in_flight,
        )
        description = client.describe()
        served_by.compare(description, reward, task_set, encoder)
        yield client.pinned_to(description.fingerprint)
