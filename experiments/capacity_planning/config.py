"""What a plan is made of: numbers, each with where it comes from, and a target."""

from typing import Any, Literal

from pydantic import Field, model_validator

from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import StrictConfig


class Figure(StrictConfig):
    """A number and where it is from.

    Attributes:
        value: The number, in the unit of the setting that holds it.
        source: `measured: WHERE`, `assumed: WHY`, or `given` for one from the command line.
    """

    value: float = Field(ge=0)
    source: str = Field(default="given", pattern=r"^(measured: .+|assumed: .+|given)$")

    @model_validator(mode="before")
    @classmethod
    def _plain_number(cls, value: Any) -> Any:
        return {"value": value} if isinstance(value, int | float) else value

    @property
    def assumed(self) -> bool:
        """Whether nobody has measured it."""
        return self.source.startswith("assumed")


class StepCost(StrictConfig):
    """One environment step in an env runner, on one core.

    Attributes:
        environment_ms: Milliseconds of the environment: physics, drawing for the agent, resets.
        reward_frame_ms: Milliseconds of drawing and reading the reward's frame.
        overhead_ms: Milliseconds of the policy's forward, RLlib's episodes and connectors.
    """

    environment_ms: Figure | None = None
    reward_frame_ms: Figure = Figure(value=0, source="assumed: none is drawn")
    overhead_ms: Figure | None = None


class RewardCost(StrictConfig):
    """The reward.

    Attributes:
        served: Whether replicas compute it, or each env runner its own.
        frames_per_second: Frames a second of one replica at saturation, or of one runner's core.
        way_ms: Milliseconds a frame that a caller waits for the way to a replica and back, beside the encoding.
        cache_hit_rate: Share of frames that are not encoded.
        scaling: Speed of many replicas over that of as many alone.
        cpus: CPUs of a replica.
        gpus: GPUs of a replica, may be fractional.
        memory_gb: Memory of a replica.
    """

    served: bool = True
    frames_per_second: Figure | None = None
    way_ms: Figure = Figure(value=0, source="assumed: none")
    cache_hit_rate: Figure = Figure(value=0, source="assumed: no cache")
    scaling: Figure = Figure(value=0.915, source="measured: docs/results/bench.md, replicas-linear")
    cpus: float = Field(default=1, ge=0)
    gpus: float = Field(default=0, ge=0)
    memory_gb: Figure = Figure(value=1.5, source="assumed: a process with torch and a small encoder")


class LearnerCost(StrictConfig):
    """Learning.

    Attributes:
        step_ms: Milliseconds that one learner takes for each environment step, all epochs.
        overlaps: Whether it learns while runners sample, as APPO and IMPALA do; PPO takes turns.
        cpus: CPUs of a learner.
        gpus: GPUs of a learner.
        memory_gb: Memory of a learner.
    """

    step_ms: Figure | None = None
    overlaps: bool = False
    cpus: float = Field(default=1, ge=0)
    gpus: float = Field(default=0, ge=0)
    memory_gb: Figure = Figure(value=2, source="assumed: a process with torch and a batch")


class Prices(StrictConfig):
    """What an hour costs; None is not counted.

    Attributes:
        cpu_hour: Price of one CPU for an hour.
        gpu_hour: Price of one GPU for an hour.
        currency: Currency of both.
    """

    cpu_hour: float | None = Field(default=None, ge=0)
    gpu_hour: float | None = Field(default=None, ge=0)
    currency: str = "USD"


class Counts(StrictConfig):
    """A size that is asked about, instead of one that is looked for.

    Attributes:
        runners: Env runners; 1 with no process beside the learner's is 1, too.
        replicas: Replicas of the reward; 0 where runners compute it.
        learners: Learners.
    """

    runners: int = Field(default=1, ge=1)
    replicas: int = Field(default=0, ge=0)
    learners: int = Field(default=1, ge=1)


class CapacityConfig(StrictConfig):
    """A plan.

    Attributes:
        name: Name of the plan.
        env_steps: Environment steps of one run.
        hours: In how many hours they shall be done; None with `steps_per_day` or `counts`.
        steps_per_day: The same, as environment steps a day.
        counts: What is there; nothing is looked for.
        headroom: Share of a learner's or replica's time that may be planned for.
        step: What a step costs the env runners.
        reward: What it costs the reward.
        learner: What it costs the learner.
        runner_memory_gb: Memory of an env runner.
        prices: What hours cost.
        train_preset: The training preset that a written preset extends.
    """

    name: str = Field(pattern=r"^[\w.-]+$")
    env_steps: int = Field(ge=1)
    hours: float | None = Field(default=None, gt=0)
    steps_per_day: float | None = Field(default=None, gt=0)
    counts: Counts | None = None
    headroom: float = Field(default=0.8, gt=0, le=1)
    step: StepCost = StepCost()
    reward: RewardCost = RewardCost()
    learner: LearnerCost = LearnerCost()
    runner_memory_gb: Figure = Figure(value=1.5, source="assumed: a process with torch and 16 environments")
    prices: Prices = Prices()
    train_preset: str = "demo"

    @model_validator(mode="after")
    def _complete(self) -> "CapacityConfig":
        targets = [self.hours, self.steps_per_day, self.counts]
        if sum(target is not None for target in targets) != 1:
            raise ConfigError("name one target: hours, steps_per_day, or counts")
        for name, figure, how in (
            ("step.environment_ms", self.step.environment_ms, "python -m envs.playhouse speed, envs.android.benchmark"),
            ("step.overhead_ms", self.step.overhead_ms, "python -m benchmarks --only sampling-efficiency"),
            (
                "reward.frames_per_second",
                self.reward.frames_per_second,
                "python -m benchmarks --only served-throughput",
            ),
            ("learner.step_ms", self.learner.step_ms, "a short run: its metrics say what learning takes"),
        ):
            if figure is None:
                raise ConfigError(f"{name} is not known: measure it ({how}) and give it with --set {name}=NUMBER")
        if self.reward.cache_hit_rate.value >= 1:
            raise ConfigError("reward.cache_hit_rate must be below 1: some frames are new")
        if self.counts is not None and self.reward.served and not self.counts.replicas:
            raise ConfigError("counts.replicas is 0, and the reward is served: name some, or set reward.served=false")
        return self


Part = Literal["runners", "replicas", "learners"]
