"""The other members of the set L over which equation 1 takes its softmax."""

import unicodedata
import zlib
from typing import Literal

import numpy as np
from pydantic import Field

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals.goal import Goal
from vlm_rewards.goals.prompt_template import PromptTemplate
from vlm_rewards.goals.task_set import TaskSet
from vlm_rewards.strict_config import StrictConfig


class NegativesSpec(StrictConfig):
    """Which captions compete with a goal's own.

    Attributes:
        kind: `goals` is the paper's form, other goals of the task set. `goals_and_states` adds the task set's captions
            of states not yet achieved, without which a frame that shows no goal at all must still give its whole unit
            of probability to goals.
        count: How many other goals are drawn, uniformly and without replacement, from both splits of the task set;
            None takes them all. State captions are not drawn: all of them are used.
        seed: Seed of the draw. One goal's draw depends on this seed and the goal's id alone, so it is the same in every
            process and for the whole run, for training and held-out goals alike.
    """

    kind: Literal["goals", "goals_and_states"] = "goals"
    count: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)

    def captions(self, goal: Goal, task_set: TaskSet, template: PromptTemplate) -> tuple[str, ...]:
        """Return the negative prompts of `goal`, in a fixed order, each once: one that is listed twice competes once.

        Raises:
            ConfigError: There is no negative, fewer goals than `count`, or a negative reads the same as the goal.
        """
        pool = sorted((other for other in task_set.all_goals if other.id != goal.id), key=lambda other: other.id)
        if self.count is not None:
            if self.count > len(pool):
                raise ConfigError(
                    f"negatives.count is {self.count}, but task set {task_set.name!r} has only {len(pool)} goals "
                    f"besides {goal.id!r}; lower it, or leave it out to use all"
                )
            rng = np.random.default_rng([self.seed, zlib.crc32(goal.id.encode())])
            drawn = rng.choice(len(pool), size=self.count, replace=False)
            pool = [pool[index] for index in sorted(drawn)]
        captions = [template.fill(other) for other in pool]
        if self.kind == "goals_and_states":
            if not task_set.unachieved_captions:
                raise ConfigError(
                    f"task set {task_set.name!r} has no unachieved_captions; add some, or use negatives of kind 'goals'"
                )
            captions.extend(task_set.unachieved_captions)
        if not captions:
            raise ConfigError(f"goal {goal.id!r} has no negatives; task set {task_set.name!r} needs a second goal")
        positive = template.fill(goal)
        same = [caption for caption in captions if _normalised(caption) == _normalised(positive)]
        if same:
            raise ConfigError(
                f"the negatives of goal {goal.id!r} contain the goal itself ({same[0]!r}); "
                f"remove or reword that goal or caption in task set {task_set.name!r}"
            )
        distinct: dict[str, str] = {}
        for caption in captions:
            distinct.setdefault(_normalised(caption), caption)
        return tuple(distinct.values())


def _normalised(caption: str) -> str:
    """Return what does not change a caption's meaning left out: case, spacing, and how accents are stored."""
    return " ".join(unicodedata.normalize("NFC", caption).casefold().split())
