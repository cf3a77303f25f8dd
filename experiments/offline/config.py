"""What the offline commands are told: the schema of `experiments/presets/{offline_pr,calibrate,relabel}/*.yaml`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from experiments.shared.tracking_config import TrackingConfig
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import SplitSpec
from vlm_rewards.goals import NegativesSpec
from vlm_rewards.heads import check_temperature
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.strict_config import StrictConfig

BOTH_NEGATIVES = (NegativesSpec(kind="goals"), NegativesSpec(kind="goals_and_states"))


class OfflineServiceConfig(StrictConfig):
    """How frames get to the encoder.

    Attributes:
        transport: `serve` deploys a Ray Serve application; `in_process` encodes in this process, without Ray.
        num_cpus: Ray CPUs that one replica asks for.
        num_gpus: GPUs that one replica asks for.
        torch_threads: threads of the encoder's arithmetic; in process, of a relabelling alone.
        replicas: number of replicas.
        request_frames: frames in one request.
        max_batch_frames: most frames in one encoder call.
        readers: requests under way at a time: while one is encoded the others are read and decoded.
        timeout_s: seconds that one attempt at a request may take.
        deadline_s: seconds that a request may take with all its retries.
    """

    transport: Literal["serve", "in_process"] = "serve"
    num_cpus: float = Field(default=0.5, gt=0)
    num_gpus: float = Field(default=0, ge=0)
    torch_threads: int = Field(default=1, ge=1)
    replicas: int = Field(default=1, ge=1)
    request_frames: int = Field(default=256, ge=1)
    max_batch_frames: int = Field(default=256, ge=1)
    readers: int = Field(default=3, ge=1)
    timeout_s: float = Field(default=120.0, gt=0)
    deadline_s: float = Field(default=600.0, gt=0)


class OfflineTracking(TrackingConfig):
    """Where the results of the offline commands go."""

    experiment: str = "offline"


class DataConfig(StrictConfig):
    """Which labelled states, and what their goals are.

    Attributes:
        dataset: folder written by `experiments.collect`.
        task_sets: by family, the task set's YAML file, from the working directory or the repository root. Goals and
            negatives of a family's states are those of its own task set.
        families: those to use; None takes all of `task_sets`.
        limit: trajectories to use, evenly spread over the dataset; None takes all.
    """

    dataset: str
    task_sets: dict[str, str] = Field(min_length=1)
    families: tuple[str, ...] | None = None
    limit: int | None = Field(default=None, ge=1)


class OfflineConfig(StrictConfig):
    """What an evaluation and a calibration share.

    Attributes:
        name: of the run, in MLflow and in the output folder.
        data: the labelled states.
        reward: what is evaluated, or calibrated; each says what of it is replaced.
        negatives: the sets that are compared, side by side.
        service: how frames get to the encoder.
        resamples: of the bootstrap over trajectories.
        seed: of the bootstrap.
        tracking: where results go.
    """

    name: str = Field(min_length=1, pattern=r"^[\w.-]+$")
    data: DataConfig
    reward: RewardConfig
    negatives: tuple[NegativesSpec, ...] = Field(default=BOTH_NEGATIVES, min_length=1)
    service: OfflineServiceConfig = OfflineServiceConfig()
    resamples: int = Field(default=1000, ge=10)
    seed: int = Field(default=0, ge=0)
    tracking: OfflineTracking = OfflineTracking()


class OfflinePRConfig(OfflineConfig):
    """One offline evaluation: of the reward, its model, template and negatives are replaced.

    Attributes:
        models: packaged names, folders or hub ids; one curve each.
        prompts: prompt set whose templates are tried; None takes the reward's own template.
    """

    models: tuple[str, ...] = Field(min_length=1)
    prompts: str | None = None


class CalibrateConfig(OfflineConfig):
    """One calibration: of the reward, tau and beta are replaced by what is found.

    The best of the negative sets on the calibration split goes into the preset, all are in the table.

    Attributes:
        split: which trajectories calibrate and which test.
        taus: temperatures tried.
        precision: to reach.
        confidence: of the lower bound on the precision that has to reach it; 0 asks it of the precision itself.
        search: prompt set to search by average precision on the calibration split; None keeps the reward's template.
    """

    split: SplitSpec = SplitSpec()
    taus: tuple[float, ...] = Field(default=(0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2), min_length=1)
    precision: float = Field(default=0.9, gt=0, le=1)
    confidence: float = Field(default=0.9, ge=0, lt=1)
    search: str | None = None

    @field_validator("taus")
    @classmethod
    def _taus_are_usable(cls, taus: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(check_temperature(tau) for tau in taus)


class RelabelConfig(StrictConfig):
    """One relabelling.

    Attributes:
        data: the trajectories; `limit` is not used: a dataset is relabelled whole.
        reward: what is computed.
        service: how frames get to the encoder.
        part_states: states in one file of the result, the most that a kill can cost.
        tracking: where the run's record goes; without a URI a sqlite file beside the result's folder.
    """

    data: DataConfig
    reward: RewardConfig
    service: OfflineServiceConfig = OfflineServiceConfig()
    part_states: int = Field(default=2048, ge=1)
    tracking: OfflineTracking = OfflineTracking()


def labelled_models(models: Sequence[str]) -> dict[str, str]:
    """Returns models by their label; by their full name where two labels are alike.

    Raises:
        ConfigError: a model is named twice.
    """
    labels = [model_label(model) for model in models]
    if len(set(labels)) < len(labels):
        labels = list(models)
    if len(set(labels)) < len(labels):
        raise ConfigError("a model is named twice; name each --model once")
    return dict(zip(labels, models, strict=True))


def model_label(model: str) -> str:
    """What a model is called in tables: its name, or its folder's, that above `model` where it is called so."""
    path = Path(model)
    return path.parent.name if path.name == "model" and path.parent.name else path.name
