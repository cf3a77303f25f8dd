"""The goals of one environment."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals.goal import Goal
from vlm_rewards.strict_config import StrictConfig, near_matches

Split = Literal["train", "held_out"]

# Files named after the task set in them.
TASK_SETS = Path(__file__).parent / "task_sets"


class TaskSet(StrictConfig):
    """Named, versioned goals, all of which are known to be achievable in the environment.

    Attributes:
        name: Such as `open_common_apps`.
        version: Raised whenever goals or captions change, since rewards change with them.
        goals: The goals to train on.
        held_out: Goals seen in evaluation only.
        unachieved_captions: Full captions of states in which no goal holds, such as the home screen. Used verbatim
            by the negatives `goals_and_states`.
    """

    name: str = Field(min_length=1)
    version: int = Field(ge=0)
    goals: tuple[Goal, ...] = Field(min_length=1)
    held_out: tuple[Goal, ...] = ()
    unachieved_captions: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "TaskSet":
        ids = [goal.id for goal in self.all_goals]
        repeated = sorted({goal_id for goal_id in ids if ids.count(goal_id) > 1})
        if repeated:
            raise ValueError(f"goal ids occur more than once: {', '.join(repeated)}; give each goal its own id")
        if any(not caption.strip() for caption in self.unachieved_captions):
            raise ValueError("unachieved_captions holds an empty caption; remove it")
        return self

    @property
    def all_goals(self) -> tuple[Goal, ...]:
        """The goals of both splits, training goals first."""
        return self.goals + self.held_out

    def goal(self, goal_id: str) -> Goal:
        """Return a goal of either split.

        Raises:
            ConfigError: No goal has this id.
        """
        for goal in self.all_goals:
            if goal.id == goal_id:
                return goal
        hint = near_matches(goal_id, (goal.id for goal in self.all_goals))
        raise ConfigError(f"unknown goal {goal_id!r} in task set {self.name!r}; {hint}")

    def split(self, split: Split) -> tuple[Goal, ...]:
        """Return the goals of one split.

        Raises:
            ConfigError: Not `train` or `held_out`.
        """
        if split == "train":
            return self.goals
        if split == "held_out":
            return self.held_out
        raise ConfigError(f"unknown split {split!r}; use 'train' or 'held_out'")

    @classmethod
    def named(cls, name: str) -> "TaskSet":
        """Return a task set that comes with the library, such as `open_common_apps`; see `packaged_task_sets`.

        Raises:
            ConfigError: There is none of this name.
        """
        if name not in packaged_task_sets():
            hint = near_matches(name, packaged_task_sets())
            raise ConfigError(f"unknown task set {name!r}; {hint} (TaskSet.from_yaml reads a file of your own)")
        return _packaged(name)

    @classmethod
    def named_or_from_yaml(cls, source: str | Path) -> "TaskSet":
        """Return the task set that a setting means: the path of a .yaml file, or else a name for `named`.

        Raises:
            ConfigError: There is none, or the file is not valid.
        """
        is_file = Path(source).suffix in (".yaml", ".yml")
        return cls.from_yaml(source) if is_file else cls.named(str(source))


def packaged_task_sets() -> list[str]:
    """Return the names of the task sets that come with the library."""
    return sorted(path.stem for path in TASK_SETS.glob("*.yaml"))


@lru_cache(maxsize=16)
def _packaged(name: str) -> TaskSet:
    return TaskSet.from_yaml(TASK_SETS / f"{name}.yaml")
