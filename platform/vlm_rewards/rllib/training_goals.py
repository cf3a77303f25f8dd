"""The goals that an agent trains on, as arrays: what hindsight relabels with, and what teaches the eye."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_rewards.encoders import Encoder
from vlm_rewards.environment.goal_tokens import PADDING, tokenize
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import PromptTemplate, TaskSet
from vlm_rewards.reward_model import RewardDescription

ACHIEVED = "achieved"
"""Key in a step's info: bool (G,), for which training goals the reward would be given in the state arrived at."""

EMBEDDING = "embedding"
"""Key in a step's info: float32 (D,), the reward model's embedding of the state arrived at."""


@dataclass(frozen=True, eq=False)
class TrainingGoals:
    """The training goals of a task set; a held-out goal is never among them.

    Attributes:
        ids: G ids.
        tokens: int64 (G, GOAL_LENGTH), the goals as the policy is told them.
        captions: float32 (G, K, D), L2-normalised embeddings of each goal's caption and of its captions that are not
            yet achieved, by the reward's own encoder; None where nothing teaches the eye.
    """

    ids: tuple[str, ...]
    tokens: npt.NDArray[np.int64]
    captions: npt.NDArray[np.float32] | None = None
    _index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the ids."""
        object.__setattr__(self, "_index", {goal_id: number for number, goal_id in enumerate(self.ids)})

    @classmethod
    def of(cls, task_set: TaskSet) -> "TrainingGoals":
        """Return the training goals of a task set, without captions."""
        return cls(
            ids=tuple(goal.id for goal in task_set.goals),
            tokens=np.stack([tokenize(goal.instruction) for goal in task_set.goals]),
        )

    def __len__(self) -> int:
        """Return the number of goals, G."""
        return len(self.ids)

    @property
    def eye_outputs(self) -> int:
        """Captions of each goal, K; 0 without any."""
        return 0 if self.captions is None else self.captions.shape[1]

    @property
    def embedding_dim(self) -> int:
        """Size of an embedding, D; 0 without captions."""
        return 0 if self.captions is None else self.captions.shape[2]

    @cached_property
    def alike(self) -> npt.NDArray[np.bool_]:
        """Which goals are easily taken for one another, bool (G, G): those that share a word that few goals have.

        A word that half of the goals or more have says nothing. No goal is like itself.
        """
        words = [set(row[row != PADDING].tolist()) for row in self.tokens]
        common = {word for word in set().union(*words) if 2 * sum(word in each for each in words) >= len(words)}
        told = [each - common for each in words]
        return np.array([[i != j and bool(a & b) for j, b in enumerate(told)] for i, a in enumerate(told)])

    def index(self, goal_id: str) -> int:
        """Return the number of a goal.

        Raises:
            ConfigError: It is no training goal.
        """
        if goal_id not in self._index:
            raise ConfigError(f"goal {goal_id!r} is none of the {len(self)} training goals; train on their split alone")
        return self._index[goal_id]

    def check_scored_by(self, description: RewardDescription) -> None:
        """Refuse a reward that cannot say for every training goal whether it is achieved.

        Raises:
            ConfigError: A dense form, or goals that it does not know.
        """
        if not description.terminates:
            raise ConfigError(
                f"hindsight asks whether a goal is achieved, and the dense form {description.form!r} never says so; "
                "use the form softmax_binary, or leave algorithm.hindsight out"
            )
        unknown = sorted(set(self.ids).difference(description.goal_ids))
        if unknown:
            raise ConfigError(
                f"the reward cannot score {len(unknown)} of the {len(self)} training goals, {unknown[0]!r} for one: "
                "serve it with the environment's task set, or leave algorithm.hindsight out"
            )

    def captioned(
        self,
        task_set: TaskSet,
        template: str,
        not_yet: Callable[[str], Sequence[str]] | None,
        encoder: Encoder,
    ) -> "TrainingGoals":
        """Return these goals with the captions that teach the eye.

        Args:
            task_set: Holds the goals.
            template: The reward's prompt template; a goal's own caption is its prompt.
            not_yet: Returns a goal's captions of states on the way to it, equally many for each goal; None for none.
            encoder: Embeds the captions; the reward's own.

        Raises:
            ConfigError: Goals with different numbers of captions.
        """
        prompt = PromptTemplate.named(template)
        texts = [[prompt.fill(task_set.goal(i)), *(not_yet(i) if not_yet is not None else ())] for i in self.ids]
        counts = sorted({len(each) for each in texts})
        if len(counts) > 1:
            raise ConfigError(
                f"goals have {counts[0]} to {counts[-1]} captions for the eye; word equally many for each"
            )
        flat = [text for each in texts for text in each]
        distinct = list(dict.fromkeys(flat))
        row = dict(zip(distinct, np.asarray(encoder.embed_texts(distinct), np.float32), strict=True))
        captions = np.stack([row[text] for text in flat]).reshape(len(self), counts[0], -1)
        return replace(self, captions=captions)


def check_tokens(goals: TrainingGoals, goal_id: str, tokens: npt.NDArray[Any]) -> int:
    """Return the number of an episode's goal, whose tokens must be those that a relabelled step would get.

    Args:
        goals: The training goals.
        goal_id: The episode's goal.
        tokens: Its words, int64 (L,).

    Raises:
        ConfigError: No training goal, or an environment that words it in its own way.
    """
    index = goals.index(goal_id)
    if not np.array_equal(goals.tokens[index], tokens):
        raise ConfigError(
            f"the environment tells the policy other tokens for goal {goal_id!r} than tokenize(goal.instruction), so "
            "no step can be relabelled; make its observation by vlm_rewards.environment.goal_tokens.tokenize"
        )
    return index
