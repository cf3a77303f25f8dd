"""How a reward is served: the one schema of Serve YAML, of presets that deploy, and of programs."""

from typing import Literal

from pydantic import Field, model_validator

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.strict_config import StrictConfig

# In a checkout the repository's root: replicas of `serve deploy` do not run there.


class ReplicaLimits(StrictConfig):
    """How many replicas run, and when that changes.

    Attributes:
        minimum: Replicas that always run; with one, a lost replica stalls callers for the seconds of a restart.
        maximum: With more than `minimum`, their number follows the frames that wait; see `FramesWaitingPolicy`.
        target_frames: Frames a replica, waiting or being encoded, that scaling aims at; None takes half a batch.
        upscale_delay_s: Seconds of too high a load before replicas are added.
        downscale_delay_s: Seconds of too low a load before they are removed.
        pinned: Replicas kept while a run is on, however little they have to do between two rollouts; None takes
            `minimum`.
        run_ends_after_s: Seconds without a request after which a run counts as over.
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


class ServingArgs(StrictConfig):
    """What serving any reward takes.

    Attributes:
        num_cpus: CPUs reserved for each replica, may be fractional. Serve replicas share the cluster with env runners:
            what is reserved here is not available to them.
        num_gpus: GPUs reserved for each replica, may be fractional: with 0.25 four replicas share one. A replica
            sees no GPU that it does not reserve; `reward.device: cuda` needs some.
        torch_threads: Threads of one forward; None takes `num_cpus` rounded down, at least 1.
        max_batch_frames: Most frames in one encoder call.
        batch_wait_s: Seconds that a batch waits for more frames after its first request. 0 still batches whatever
            came in while the batch before was running.
        max_queued_requests: Requests that one caller may have waiting before it is refused.
        max_wait_s: A replica refuses a request that would wait longer than this for those before it.
        max_waiting_mb: MiB of frames that may wait in a replica.
        cache_mb: MiB of each replica for embeddings of frames seen before; 0 keeps none. Screens and rooms repeat:
            10 MiB hold some 4,000 frames of a 512-dimensional encoder.
        log_level: Level of the replicas' logs, one JSON object a line. WARNING names refused requests, INFO every one.
        replicas: How many.
    """

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


class RewardAppArgs(ServingArgs):
    """Arguments of one reward application: what it serves, and how.

    Attributes:
        reward: What to compute.
        task_set: The goals, inline, by the name of a packaged task set, or as the path of a YAML file.
    """

    reward: RewardConfig
    task_set: TaskSet | str

    @model_validator(mode="after")
    def _has_its_device(self) -> "RewardAppArgs":
        check_device(self.reward, self.num_gpus)
        return self

    def loaded_task_set(self) -> TaskSet:
        """Return the task set itself.

        Raises:
            ConfigError: Its file is missing or wrong.
        """
        return self.task_set if isinstance(self.task_set, TaskSet) else TaskSet.named_or_from_yaml(self.task_set)


def check_device(reward: RewardConfig, num_gpus: float) -> None:
    """Refuse a reward on a GPU that its process would not see.

    Raises:
        ConfigError: `reward.device` is a GPU, and none is reserved.
    """
    if reward.device.startswith("cuda") and not num_gpus:
        raise ConfigError(
            f"reward.device is {reward.device!r} and no GPU is reserved for it; set num_gpus (0.25 lets four share "
            "one), or reward.device=cpu"
        )
