"""What a study is made of: the schema of `experiments/presets/studies/KIND/*.yaml`."""

from typing import Annotated, Any

from pydantic import Field, field_validator

from experiments.shared.tracking_config import TrackingConfig
from vlm_rewards.strict_config import StrictConfig

# MLflow's rule for the names of parameters, which arms and tasks become.
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[\w .:/-]+$")]


class TaskConfig(StrictConfig):
    """One task family: an environment with its goals.

    Attributes:
        train: Train preset that its trials start from.
        settings: What differs from it, as nested keys of a train preset.
    """

    train: str
    settings: dict[str, Any] = Field(default_factory=dict)


class ArmConfig(StrictConfig):
    """One value of what is studied: a reward model, a prompt template, the true reward.

    Attributes:
        settings: What it sets, over the task's settings.
        facts: What reports order and label it by; `parameters` of the reward model is found out by itself. `order` is
            the rank that the paper claims for it, lowest first.
    """

    settings: dict[str, Any] = Field(default_factory=dict)
    facts: dict[str, Any] = Field(default_factory=dict)


class AshaConfig(StrictConfig):
    """Stops trials early that do worse than others, by held-out success (asynchronous successive halving, Li 2018).

    Attributes:
        grace_steps: Environment steps that each trial gets in any case.
        reduction_factor: One in so many goes on at each rung.
    """

    grace_steps: int = Field(ge=1)
    reduction_factor: float = Field(default=3.0, gt=1)


class EstimateConfig(StrictConfig):
    """What `--dry-run` reckons with.

    Attributes:
        steps_per_second: Environment steps a second of one trial, its learning included, as measured on the machine
            that the preset is for; None says nothing about time.
        evaluation_minutes: A trial's evaluation at the end.
        cost_per_cpu_hour: Price of a CPU for an hour, in any currency; None says nothing about cost.
    """

    steps_per_second: float | None = Field(default=None, gt=0)
    evaluation_minutes: float = Field(default=1.0, ge=0)
    cost_per_cpu_hour: float | None = Field(default=None, ge=0)


class StudyTracking(TrackingConfig):
    """Where a study's results go."""

    experiment: str = "studies"


class StudyConfig(StrictConfig):
    """A study: every task with every arm and every seed is one trial.

    Attributes:
        name: Name of the study, in MLflow and in the output folder.
        title: Headline of its report.
        tasks: Task families by name.
        settings: What all trials set over their train presets.
        arms: What is compared, by name.
        seeds: Seeds of the trials, each once.
        max_concurrent_trials: Trials that run side by side.
        max_failures: Times that a trial which failed is begun again from its last checkpoint.
        offline_table: CSV of `experiments.offline_pr`, whose average precision is set beside the returns.
        asha: Early stopping; None lets every trial finish.
        storage: Folder or URI that checkpoints go to, shared by the nodes of a cluster; None keeps them in the study's
            own folder.
        estimate: For `--dry-run`.
        tracking: Where results go.
    """

    name: str = Field(min_length=1, pattern=r"^[\w.-]+$")
    title: str = ""
    tasks: dict[Name, TaskConfig] = Field(min_length=1)
    settings: dict[str, Any] = Field(default_factory=dict)
    arms: dict[Name, ArmConfig] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    max_concurrent_trials: int = Field(default=1, ge=1)
    max_failures: int = Field(default=2, ge=0)
    offline_table: str | None = None
    asha: AshaConfig | None = None
    storage: str | None = None
    estimate: EstimateConfig = EstimateConfig()
    tracking: StudyTracking = StudyTracking()

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError(f"seeds must differ and be 0 or more, or trials would be doubled: {list(seeds)}")
        return seeds
