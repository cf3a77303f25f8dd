"""A reward and its goals from one YAML file, wherever that file comes from."""

from pathlib import Path
from typing import Any, Self

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.hub.saved_reward import SavedReward
from vlm_rewards.hub.transfer import is_hub_id
from vlm_rewards.reward_config import RewardConfig
from vlm_rewards.strict_config import StrictConfig, near_matches, read_yaml


class RewardPreset(StrictConfig):
    """A reward and the goals that it can be asked for.

    Attributes:
        reward: What is computed.
        task_set: The goals, inline or by the name of a packaged task set.
    """

    reward: RewardConfig
    task_set: TaskSet | str

    @property
    def tasks(self) -> TaskSet:
        """The task set itself.

        Raises:
            ConfigError: There is none of this name.
        """
        return self.task_set if isinstance(self.task_set, TaskSet) else TaskSet.named_or_from_yaml(self.task_set)

    @classmethod
    def named_or_from_file(cls, source: str, task_set: str | None = None) -> "RewardPreset":
        """Return the preset that a setting means.

        Args:
            source: The path of a .yaml file, a name of `packaged_rewards`, or a saved reward: its folder, or its hub
                id, `owner/name` or `owner/name@revision`.
            task_set: Name or path of a task set to use instead of its own.

        Raises:
            ConfigError: There is none, or it cannot be used.
        """
        if Path(source).suffix in (".yaml", ".yml"):
            return cls.from_file(source, task_set)
        known = packaged_rewards()
        if source in known:
            found = known[source]
        elif Path(source).expanduser().is_dir() or is_hub_id(source):
            saved = SavedReward.read(source)
            found = cls(reward=saved.reward, task_set=saved.task_set)
        else:
            raise ConfigError(
                f"no packaged reward is called {source!r}; {near_matches(source, known)}, or give a .yaml file, the "
                "folder of a saved reward, or its hub id"
            )
        return cls(reward=found.reward, task_set=task_set) if task_set else found

    @classmethod
    def from_file(cls, path: str | Path, task_set: str | None = None) -> Self:
        """Read `reward:` and `task_set:` from a file that may hold more: a preset, the playground's, or Serve YAML.

        Args:
            path: A YAML file. Of Serve YAML the one reward application in it is taken; of a training preset the task
                set of its environment.
            task_set: Name or path of a task set to use instead of the file's.

        Raises:
            ConfigError: The file cannot be read, or says no reward or no task set.
        """
        values = read_yaml(path)
        if "applications" in values:
            values = _the_reward_of(values["applications"] or (), path)
        if "reward" not in values:
            raise ConfigError(f"{path} says no `reward:`; name a file with one, or a packaged reward")
        tasks: Any = task_set or values.get("task_set") or _option_of(values.get("environment"))
        if tasks is None:
            raise ConfigError(f"{path} says no `task_set:`; give --task-set with a name or the path of a YAML file")
        try:
            return cls(reward=values["reward"], task_set=tasks)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error


def packaged_rewards() -> dict[str, RewardPreset]:
    """Return rewards by packaged pocket CLIPs, by the names that the gateway's YAML and the playground use.

    tau and beta of the phone are those of `make demo`, those of the home of its Find preset: calibrated, see
    docs/results.
    """
    both = NegativesSpec(kind="goals_and_states")
    phone = RewardConfig(model="pocket-android", template="D", negatives=both, tau=0.05, beta=0.9)
    home = RewardConfig(model="pocket-l", template="a photo of [TASK]", negatives=both, tau=0.01, beta=0.16)
    return {
        "reward-pocket": RewardPreset(reward=phone, task_set="open_common_apps"),
        "reward-pocket-l": RewardPreset(reward=home, task_set="playhouse_find_small"),
    }


def _the_reward_of(applications: Any, path: str | Path) -> dict[str, Any]:
    every = [application.get("args") for application in applications if isinstance(application, dict)]
    found = [args for args in every if isinstance(args, dict) and "reward" in args]
    if len(found) != 1:
        raise ConfigError(
            f"{path} has {len(found)} reward applications; put `reward:` and `task_set:` of one into a file"
        )
    return found[0]


def _option_of(environment: Any) -> Any:
    options = environment.get("options") if isinstance(environment, dict) else None
    return options.get("task_set") if isinstance(options, dict) else None
