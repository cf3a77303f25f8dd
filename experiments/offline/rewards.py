"""The rewards that an offline command compares: one encoder, and what is made of its embeddings family by family."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.offline.config import DataConfig
from vlm_rewards.encoders import Encoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import LabelledDataset
from vlm_rewards.evaluation.offline.dataset import States
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.heads import FramePooling, agreed, pool
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.strict_config import near_matches


def open_states(config: DataConfig) -> tuple[LabelledDataset, dict[str, TaskSet]]:
    """Open what an offline command works on, and checks that dataset and task sets fit.

    Returns:
        The dataset, reduced to the families and trajectories asked for; and the task set of each of its families.

    Raises:
        ConfigError: The dataset is damaged or lacks labels, a family has no task set, or a goal is in none.
    """
    families = config.families or tuple(config.task_sets)
    for family in families:
        if family not in config.task_sets:
            raise ConfigError(f"data.task_sets has no family {family!r}; {near_matches(family, config.task_sets)}")
    task_sets = {family: TaskSet.named_or_from_yaml(config.task_sets[family]) for family in families}
    dataset = LabelledDataset.open(config.dataset)
    if config.families is None and set(dataset.families) - set(task_sets):
        absent = sorted(set(dataset.families) - set(task_sets))[0]
        raise ConfigError(f"data.task_sets lacks family {absent!r} of the dataset; add its file, or name data.families")
    dataset = dataset.of_families([name for name in families if name in dataset.families or config.families])
    if config.limit is not None:
        dataset = dataset.limited(config.limit)
    task_sets = {family: task_sets[family] for family in dataset.families}
    for family, task_set in task_sets.items():
        for goal_id in np.unique(dataset.states.goal_id[dataset.states.family == family].astype(str)):
            task_set.goal(str(goal_id))
    return dataset, task_sets


def vary(reward: RewardConfig, **changes: Any) -> RewardConfig:
    """Return `reward` with some of its values replaced, and checked again."""
    values = {name: getattr(reward, name) for name in reward.model_fields_set}
    return RewardConfig(**{**values, **changes})


class TextMemo:
    """An encoder that remembers the texts it has embedded: rewards that differ in a few words share the others."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[str, npt.NDArray[np.float32]] = {}
        self.image_size = encoder.image_size
        self.embedding_dim = encoder.embedding_dim
        self.fingerprint = encoder.fingerprint

    def embed_images(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """See `Encoder.embed_images`."""
        return self._encoder.embed_images(frames)

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """See `Encoder.embed_texts`."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.embed_texts(new), strict=True))
        return np.stack([self._known[text] for text in texts])


def load_text_encoder(reward: RewardConfig) -> TextMemo:
    """Load the encoder of a reward, which checks itself.

    Raises:
        VLMRewardsError: As `load_encoder`.
    """
    return TextMemo(reward.load_encoder())


class FamilyRewards:
    """One reward over several families, each with the goals and negatives of its own task set.

    Attributes:
        config: The reward.
        models: The reward model of each family.
    """

    def __init__(self, config: RewardConfig, task_sets: Mapping[str, TaskSet], encoder: Encoder) -> None:
        """Embed the prompts of all families.

        Raises:
            ConfigError: The negatives of a goal contain the goal, or a task set has none.
        """
        self.config = config
        self.models = {family: RewardModel(config, task_set, encoder) for family, task_set in task_sets.items()}

    def pooled(self, states: States, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the embedding of each state's clip, float32 (N, D), by the head's pooling of the frames so far.

        Args:
            states: N states in order of trajectory and step, trajectories whole.
            images: float32 (N, D), embeddings of their frames.
        """
        pooling = self.config.head.frames
        if pooling == FramePooling():
            return images
        # A state's clip is its trajectory from the start; what counts of it is the head's to say.
        length = _position(states) + 1
        begin = np.arange(len(states)) - length + 1
        result = np.empty_like(images)
        for clip in np.unique(length):
            rows = np.flatnonzero(length == clip)
            frames = np.arange(clip)[pooling.frames_of(int(clip))]
            result[rows] = pool(images[begin[rows][:, None] + frames[None, :]])
        return result

    def score(self, states: States, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return each state's score for its own goal, float32 (N,): what the service answers for its frame.

        Where the head waits until several states agree, it is what they agree on.

        Args:
            states: N states in order of trajectory and step, trajectories whole.
            images: float32 (N, D), embeddings of their frames.
        """
        images = self.pooled(states, images)
        scores = np.full(len(states), np.nan, np.float32)
        for family, model in self.models.items():
            rows = np.flatnonzero(states.family == family)
            scores[rows] = model.score_embeddings(images[rows], list(states.goal_id[rows]))
        return agreed(scores, _position(states), self.config.head.agree)

    def texts(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the embeddings (K, D) of every goal's own prompt and then its negatives, by goal id."""
        return {
            goal.id: model.text_embeddings(goal.id)
            for model in self.models.values()
            for goal in model.task_set.all_goals
        }

    def prompts(self, family: str, goal_id: str) -> tuple[str, ...]:
        """Return the captions of a goal's `texts`."""
        return self.models[family].prompts(goal_id)


def _position(states: States) -> npt.NDArray[np.int64]:
    """Return how many states of its trajectory come before each, int64 (N,); trajectories are whole and in order."""
    starts = np.flatnonzero(np.r_[True, np.diff(states.trajectory) != 0])[: len(states)]
    begin = starts[np.searchsorted(starts, np.arange(len(states)), side="right") - 1]
    return np.arange(len(states)) - begin


def negatives_label(negatives: NegativesSpec) -> str:
    """Return what a negative set is called in tables, such as `goals` or `goals_and_states(20, seed 1)`."""
    return negatives.kind if negatives.count is None else f"{negatives.kind}({negatives.count}, seed {negatives.seed})"
