"""What the offline commands are told: the schema of `experiments/presets/{offline_pr,calibrate,relabel}/*.yaml`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator

from experiments.shared.tracking_config import TrackingConfig
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import SplitSpec
from vlm_rewards.goals import NegativesSpec
from vlm_rewards.heads import check_temperature
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.service.served_by import SERVED_BY, ServedByKind
from vlm_rewards.strict_config import StrictConfig

BOTH_NEGATIVES = (NegativesSpec(kind="goals"), NegativesSpec(kind="goals_and_states"))


# Requests are large, and nobody waits for a single one: what is slow is not refused, since the requests under way bound
# what waits. Of a dataset's frames few come twice.
_PATIENT = {
    "timeout_s": 120.0,
    "deadline_s": 600.0,
    "max_wait_s": 600.0,
    "max_batch_frames": 256,
    "max_in_flight": 3,
    "cache_mb": 0,
}


def _parse_served_by(value: Any) -> Any:
    return SERVED_BY.parse(value, **_PATIENT)


PatientServedBy = Annotated[SerializeAsAny[ServedByKind], BeforeValidator(_parse_served_by)]


class OfflineTracking(TrackingConfig):
    """Where the results of the offline commands go."""

    experiment: str = "offline"


class DataConfig(StrictConfig):
    """Which labelled states, and what their goals are.

    Attributes:
        dataset: Folder written by `experiments.collect`.
        task_sets: By family, the name of a packaged task set or the path of a .yaml file. Goals and negatives of a
            family's states are those of its own task set.
        families: Those to use; None takes all of `task_sets`.
        limit: Trajectories to use, evenly spread over the dataset; None takes all.
    """

    dataset: str
    task_sets: dict[str, str] = Field(min_length=1)
    families: tuple[str, ...] | None = None
    limit: int | None = Field(default=None, ge=1)


class OfflineConfig(StrictConfig):
    """What an evaluation and a calibration share.

    Attributes:
        name: Name of the run, in MLflow and in the output folder.
        data: The labelled states.
        reward: What is evaluated, or calibrated; each says what of it is replaced.
        negatives: The sets that are compared, side by side.
        served_by: The way to the encoder; what `deploy` serves is read by Ray Data, in processes beside the replicas.
        request_frames: Frames in one request. `served_by.max_in_flight` requests are under way at a time: while one is
            encoded the others are read and decoded.
        resamples: Resamples of the bootstrap over trajectories.
        seed: Seed of the bootstrap.
        tracking: Where results go.
    """

    name: str = Field(min_length=1, pattern=r"^[\w.-]+$")
    data: DataConfig
    reward: RewardConfig
    negatives: tuple[NegativesSpec, ...] = Field(default=BOTH_NEGATIVES, min_length=1)
    served_by: PatientServedBy = Field(default={"kind": "deploy"}, validate_default=True)
    request_frames: int = Field(default=256, ge=1)
    resamples: int = Field(default=1000, ge=10)
    seed: int = Field(default=0, ge=0)
    tracking: OfflineTracking = OfflineTracking()


class OfflinePRConfig(OfflineConfig):
    """One offline evaluation: of the reward, its model, template and negatives are replaced.

    Attributes:
        models: Packaged names, folders or hub ids; one curve each.
        prompts: Prompt set whose templates are tried; None takes the reward's own template.
    """

    models: tuple[str, ...] = Field(min_length=1)
    prompts: str | None = None


class CalibrateConfig(OfflineConfig):
    """One calibration: of the reward, tau and beta are replaced by what is found.

    The best of the negative sets on the calibration split goes into the preset, all are in the table.

    Attributes:
        split: Which trajectories calibrate and which test.
        taus: Temperatures tried.
        objective: `precision` takes the most recall among thresholds that are precise enough; `signal` the threshold
            that ends the most trajectories in a state in which the goal holds, whatever its precision: what an agent
            can learn from.
        precision: To reach; `signal` does not ask for it.
        confidence: Confidence of the lower bound on precision that must reach it; 0 asks it of precision itself.
        search: Prompt set to search by average precision on the calibration split; None keeps the reward's template.
    """

    split: SplitSpec = SplitSpec()
    taus: tuple[float, ...] = Field(default=(0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2), min_length=1)
    objective: Literal["precision", "signal"] = "precision"
    precision: float = Field(default=0.9, gt=0, le=1)
    confidence: float = Field(default=0.9, ge=0, lt=1)
    search: str | None = None

    @field_validator("taus")
    @classmethod
    def _taus_are_usable(cls, taus: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(check_temperature(tau) for tau in taus)


class RelabelDataConfig(DataConfig):
    """What is relabelled: a dataset of ours, of Minari or of LeRobot.

    Attributes:
        dataset: Folder written by `experiments.collect`; id or folder of a Minari dataset; folder of a LeRobotDataset.
        goal: Of Minari and LeRobot: the goal of every episode, whatever the dataset says.
        goals: Of Minari and LeRobot: goal ids by words of the dataset that are no goal's id, subject or instruction.
        frames: Of Minari and LeRobot: which of its pictures the reward sees; None takes the only one.
    """

    goal: str | None = None
    goals: dict[str, str] = Field(default_factory=dict)
    frames: str | None = None


class RelabelConfig(StrictConfig):
    """One relabelling.

    Attributes:
        data: The trajectories, also of Minari or LeRobot; `limit` is not used: a dataset is relabelled whole.
        reward: What is computed.
        served_by: The way to the encoder.
        request_frames: Frames in one request.
        part_states: States in one file of the result, the most that a kill can cost.
        tracking: Where the run's record goes; without a URI a sqlite file beside the result's folder.
    """

    data: RelabelDataConfig
    reward: RewardConfig
    served_by: PatientServedBy = Field(default={"kind": "deploy"}, validate_default=True)
    request_frames: int = Field(default=256, ge=1)
    part_states: int = Field(default=2048, ge=1)
    tracking: OfflineTracking = OfflineTracking()


def labelled_models(models: Sequence[str]) -> dict[str, str]:
    """Return models by their label; by their full name where two labels are alike.

    Raises:
        ConfigError: A model is named twice.
    """
    labels = [model_label(model) for model in models]
    if len(set(labels)) < len(labels):
        labels = list(models)
    if len(set(labels)) < len(labels):
        raise ConfigError("a model is named twice; name each --model once")
    return dict(zip(labels, models, strict=True))


def model_label(model: str) -> str:
    """Return what a model is called in tables: its name, or its folder's, that above `model` where it is called so."""
    path = Path(model)
    return path.parent.name if path.name == "model" and path.parent.name else path.name
