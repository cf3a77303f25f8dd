"""The rewards that are searched against: one for each task, model, negative set and head."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.offline.config import model_label
from experiments.offline.rewards import TextMemo, negatives_label
from experiments.under_pressure.config import PressureConfig, TaskSpec
from experiments.under_pressure.recording import Recording
from vlm_rewards.encoders import EnsembleEncoder, load_encoder
from vlm_rewards.evaluation.offline.precision_recall import precision_and_recall
from vlm_rewards.evaluation.offline.thresholds import ThresholdChoice, choose_threshold, softmax_scores
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.heads import Agreement, agreed
from vlm_rewards.reward_model import RewardConfig, RewardModel


@dataclass(frozen=True)
class Calibration:
    """What the pilot episodes chose for a model and a negative set; all heads share it.

    Attributes:
        tau: Temperature.
        beta: Threshold.
        precision: Of the paper's head over the pilot's states.
        recall: Likewise.
        reached: Whether that precision is what was asked for; else it is the nearest.
    """

    tau: float
    beta: float
    precision: float
    recall: float
    reached: bool


@dataclass(frozen=True)
class Cell:
    """One reward that is searched against.

    Attributes:
        task: Name of the task.
        model: The model, as configured.
        negatives: The negative set.
        head: Name of the head.
        reward: All of its settings.
    """

    task: str
    model: str
    negatives: NegativesSpec
    head: str
    reward: RewardConfig

    @property
    def key(self) -> str:
        """Name of its MLflow run, and of its row in files."""
        return "|".join((*self.group, self.head))

    @property
    def group(self) -> tuple[str, str, str]:
        """Task, model and negatives: rewards of a group differ in their heads alone."""
        return self.task, model_label(self.model), negatives_label(self.negatives)

    @property
    def columns(self) -> dict[str, Any]:
        """What tables say of it first."""
        return dict(zip(("task", "model", "negatives", "head"), (*self.group, self.head), strict=True))


class Models:
    """The benchmark's encoders, loaded once; texts are embedded once, too.

    Attributes:
        encoders: By model, those that heads name beside the benchmark's own included.
    """

    def __init__(self, config: PressureConfig) -> None:
        """Load all models; each checks itself.

        Raises:
            VLMRewardsError: As `load_encoder`.
        """
        self._precision = config.precision
        self.encoders: dict[str, TextMemo] = {}
        for model in config.models:
            self._encoder(model)

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) in pixels of the frames to draw: the largest that a model reads."""
        return max((one.image_size for one in self.encoders.values()), key=lambda size: size[0] * size[1])

    def reward_model(self, reward: RewardConfig, task_set: TaskSet) -> RewardModel:
        """Return a reward over these encoders.

        Raises:
            ConfigError: Goals that a model cannot tell apart, or an ensemble of models that are not loaded.
        """
        return RewardModel(reward, task_set, reward.join([self._encoder(model) for model in reward.models]))

    def scores(self, reward: RewardConfig, task_set: TaskSet, recording: Recording) -> npt.NDArray[np.float32]:
        """Return the score of each recorded state for its own goal, float32 (P, N, T), each judged alone."""
        model = self.reward_model(reward, task_set)
        names = reward.models
        images = recording.embeddings[names[0]]
        if isinstance(model.encoder, EnsembleEncoder):
            images = model.encoder.join([recording.embeddings[name] for name in names])
        by_row = np.empty(len(images), np.float32)
        for start, begin, end in zip(recording.starts, recording.first_row, recording.first_row[1:], strict=False):
            by_row[begin:end] = model.score_embeddings(images[begin:end], [start.goal_id] * int(end - begin))
        return by_row[recording.frame]

    def _encoder(self, model: str) -> TextMemo:
        if model not in self.encoders:  # a head may name one that is not searched by itself
            self.encoders[model] = TextMemo(load_encoder(model, precision=self._precision))
        return self.encoders[model]


def agreed_scores(scores: npt.NDArray[np.float32], agreement: Agreement) -> npt.NDArray[np.float32]:
    """Return what successive states agree on, float32 (P, N, T); each episode begins at its first."""
    return agreed(scores, np.arange(scores.shape[-1]), agreement)


def as_seldom_beta(scores: npt.NDArray[np.float32], paid: int, beta: float) -> float:
    """Return the least threshold, `beta` or above, with which at most so many episodes are paid for a single state.

    Where scores are equal, as where a softmax is 1, it pays fewer.

    Args:
        scores: float32 (..., T), of the states of each episode.
        paid: Episodes that may be paid.
        beta: Threshold to begin with.
    """
    highest = np.sort(scores.max(axis=-1), axis=None)[::-1]
    return max(beta, float(highest[paid])) if paid < len(highest) else beta


def calibrate(
    task: TaskSpec,
    task_set: TaskSet,
    reward: RewardConfig,
    models: Models,
    pilot: Recording,
    after_success: int,
) -> Calibration:
    """Choose tau and beta of the paper's head on the pilot's states: the most recall that is precise enough.

    Where the task has a threshold of its own, only say how precise it is there.

    Args:
        task: Says which temperatures and what precision.
        task_set: Its goals.
        reward: Model, template and negatives; its tau and beta do not count.
        models: The encoders.
        pilot: Labelled episodes.
        after_success: States that count after the goal first holds.

    Raises:
        ConfigError: The pilot has no achieved state, or no other.
    """
    model = models.reward_model(reward, task_set)
    owners = np.repeat([start.goal_id for start in pilot.starts], np.diff(pilot.first_row))
    texts = {goal_id: model.text_embeddings(goal_id) for goal_id in dict.fromkeys(owners.tolist())}
    by_row = softmax_scores(pilot.embeddings[reward.model], texts, owners, task.taus)
    # As long as a reward would have let the episode go on: what comes long after would count one success many times.
    counts = np.cumsum(pilot.episodes.success, axis=-1) <= 1 + after_success
    rows, labels = pilot.frame[counts], pilot.episodes.achieved[counts]
    clusters = np.cumsum(np.ones_like(counts[..., 0])).reshape(counts.shape[:2])[..., None] * counts
    clusters = clusters[counts]
    if task.beta is not None:
        precision, recall = precision_and_recall(by_row[rows, 0] > np.float32(task.beta), labels)
        return Calibration(task.taus[0], task.beta, float(precision), float(recall), bool(precision >= task.precision))
    choices = [choose_threshold(column[rows], labels, clusters, task.precision, confidence=0) for column in by_row.T]
    best = max(range(len(choices)), key=lambda index: _merit(choices[index]))
    choice = choices[best]
    beta = float(np.clip(choice.beta, 0, 1))
    return Calibration(task.taus[best], beta, choice.precision, choice.recall, choice.reached)


def _merit(choice: ThresholdChoice) -> tuple[bool, float, float]:
    if choice.reached:
        return True, choice.recall, choice.precision
    return False, choice.precision, choice.recall


def cells_of(config: PressureConfig, calibrations: Mapping[tuple[str, str, str], Calibration]) -> list[Cell]:
    """Return all rewards of a benchmark.

    Args:
        config: The benchmark.
        calibrations: By task, model and label of the negative set.
    """
    return [
        Cell(
            name,
            model,
            negatives,
            head,
            config.reward(
                task,
                model,
                negatives,
                head,
                calibrations[name, model, negatives_label(negatives)].tau,
                calibrations[name, model, negatives_label(negatives)].beta,
            ),
        )
        for name, task in config.searched.items()
        for model in config.models
        for negatives in config.negatives
        for head in config.heads
    ]
