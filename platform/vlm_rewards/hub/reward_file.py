"""The file `reward.yaml` of a saved reward before it is a reward: where it is, and whether it is as it was saved."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_rewards.encoders import packaged_models
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import TaskSet
from vlm_rewards.hub.transfer import fetch, is_hub_id
from vlm_rewards.strict_config import read_yaml

REWARD_FILE = "reward.yaml"
CALIBRATION_FILE = "calibration.json"
#: Folder of the weights that travel along, one folder a model.
WEIGHTS = "weights"
#: Of a repository, what is read.
FILES = (REWARD_FILE, CALIBRATION_FILE, "README.md", f"{WEIGHTS}/*")


@dataclass(frozen=True)
class RewardFile:
    """What the file of a saved reward holds, word for word but for the models, which are named as they are found here.

    Attributes:
        path: The file.
        values: All of it.
    """

    path: Path
    values: dict[str, Any]

    @classmethod
    def read(cls, source: str | Path, **options: Any) -> "RewardFile":
        """Find and read the file.

        Args:
            source: The reward's folder, or its hub id, `owner/name` or `owner/name@revision`.
            options: See `transfer.fetch`.

        Raises:
            ConfigError: There is none, or it names a model outside its folder.
        """
        folder = fetch(source, FILES, **options)
        path = folder / REWARD_FILE
        if not path.is_file():
            raise ConfigError(
                f"{source} holds no {REWARD_FILE}, so it is no saved reward; make one with vlm-rewards save"
            )
        values = read_yaml(path)
        if not isinstance(values.get("reward"), dict):
            raise ConfigError(f"{path} has no mapping `reward`; save the reward again")
        values["reward"] = renamed(values["reward"], lambda model: _named_or_inside(folder, model, path))
        return cls(path, values)

    def check(self, parts: Mapping[str, Any], task_set: TaskSet) -> None:
        """Make sure that nothing that rewards depend on was changed after it was saved.

        Args:
            parts: What the reward's fingerprint is made of; see `RewardConfig.fingerprint_parts`.
            task_set: Its goals.

        Raises:
            ConfigError: Something was.
        """
        saved = self.values.get("settings") or {}
        found = settings_hashes(parts, task_set)
        changed = sorted(name for name in {*found, *saved} if found.get(name) != saved.get(name))
        if changed:
            raise ConfigError(
                f"{self.path}: {' and '.join(changed)} changed after the reward was saved; restore the file, or save "
                "the reward again (vlm-rewards save)"
            )


def settings_hashes(parts: Mapping[str, Any], task_set: TaskSet) -> dict[str, str]:
    """Return the hex sha256 of each setting that rewards depend on, by name, and of the goals."""
    parts = {**parts, "task_set": task_set.model_dump(mode="json")}
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest() for name, value in parts.items()
    }


def renamed(values: dict[str, Any], rename: Callable[[str], str]) -> dict[str, Any]:
    """Return a reward's settings with every model in them renamed.

    Args:
        values: The settings, as YAML has them; whatever they are.
        rename: Gives a model's new name.
    """
    values = dict(values)
    if isinstance(values.get("model"), str):
        values["model"] = rename(values["model"])
    head = values.get("head")
    if isinstance(head, dict) and isinstance(head.get("models"), list):
        values["head"] = {**head, "models": [rename(str(model)) for model in head["models"]]}
    elif isinstance(head, dict) and "model" in head:
        values["head"] = {**head, "model": rename(str(head["model"]))}
    if isinstance(values.get("checkpoints"), list):
        values["checkpoints"] = [
            {**entry, "model": rename(str(entry.get("model")))} if isinstance(entry, dict) else entry
            for entry in values["checkpoints"]
        ]
    return values


def _named_or_inside(folder: Path, model: str, path: Path) -> str:
    """Return what a saved reward's model means here. A stranger's file may name nothing of this machine."""
    if model.startswith("./"):
        inside = folder / model
        weights = folder.resolve() / WEIGHTS
        if ".." not in Path(model).parts and inside.is_dir() and weights in inside.resolve().parents:
            return str(inside.resolve())
        raise ConfigError(f"{path} names the weights {model!r}, which are not in its folder; fetch all of it again")
    if model == "fake" or model in packaged_models() or (is_hub_id(model) and "@" not in model):
        return model
    raise ConfigError(
        f"{path} names the model {model[:200]!r}; a saved reward may name a packaged model, a hub id, or weights in "
        f"its own folder (./{WEIGHTS}/NAME): save it again"
    )
