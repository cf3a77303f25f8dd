"""A reward in a folder: what it is made of, how it was calibrated, and whose weights it needs."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, model_validator

import vlm_rewards
from vlm_rewards.encoders import packaged_models
from vlm_rewards.encoders.checkpoint_files import check_folder
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import PromptTemplate, TaskSet
from vlm_rewards.hub.reward_file import CALIBRATION_FILE, REWARD_FILE, WEIGHTS, RewardFile, renamed, settings_hashes
from vlm_rewards.reward_config import RewardConfig
from vlm_rewards.strict_config import StrictConfig
from vlm_rewards.whole_files import written_whole

# Of a model's folder, what is copied; its pictures of the self-check besides.
_MODEL_FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "README.md", "LICENSE*", "NOTICE*", "self_check/*.png")
# Where and how fast it is computed is each machine's own.
_OF_THE_MACHINE = {"device", "compiled"}

_HEADER = """\
# A reward of vlm_rewards {version}: RewardModel.from_pretrained("this folder, or its id on the hub").
# Whatever is changed by hand is refused when it is loaded; save the reward again instead.
"""


class CalibrationCurve(StrictConfig):
    """How precise a reward was found to be, over its threshold.

    Attributes:
        dataset: What it was measured on.
        beta: Thresholds, rising.
        precision: Share of the rewarded states that had reached their goal, in [0, 1], at each.
        recall: Share of the states that had reached their goal that are rewarded, in [0, 1], at each.
        chosen: The measures at the reward's own beta, by name; empty where they were not taken.
    """

    dataset: str
    beta: tuple[float, ...] = Field(min_length=1)
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    chosen: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_a_curve(self) -> "CalibrationCurve":
        if not len(self.beta) == len(self.precision) == len(self.recall):
            raise ValueError("beta, precision and recall must have as many numbers each; measure it again")
        if any(not 0 <= value <= 1 for value in (*self.precision, *self.recall)):
            raise ValueError("precision and recall must be in [0, 1]; measure it again")
        if list(self.beta) != sorted(self.beta):
            raise ValueError("beta must rise; measure it again")
        return self

    @classmethod
    def read(cls, path: str | Path) -> "CalibrationCurve":
        """Read one, as `python -m experiments.calibrate` writes it.

        Raises:
            ConfigError: There is no such file, or it holds no curve.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}; give the calibration.json of a run") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path} is no JSON; give the calibration.json of a run") from error
        if not isinstance(values, dict):
            raise ConfigError(f"{path} holds no calibration; give the calibration.json of a run")
        try:
            return cls(**values)
        except (ConfigError, TypeError) as error:
            raise ConfigError(f"{path}: {error}") from error


class SavedReward(StrictConfig):
    """The file `reward.yaml` of a saved reward.

    Attributes:
        reward: The reward, with the hashes of its models.
        task_set: Its goals, word for word.
        fingerprint: Hex sha256 of the reward as it was saved, by the encoder of that machine.
        settings: Hex sha256 of each of the settings that decide rewards, by name.
        made_by: Version of vlm_rewards that saved it.
    """

    reward: RewardConfig
    task_set: TaskSet
    fingerprint: str = Field(pattern=r"^[0-9a-f]{64}$")
    settings: dict[str, str]
    made_by: str = ""

    @classmethod
    def read(cls, source: str | Path, **options: Any) -> "SavedReward":
        """Read a saved reward, and compare its settings with those that were saved. No weights are loaded.

        Args:
            source: Its folder, or its hub id, `owner/name` or `owner/name@revision`.
            options: See `transfer.fetch`.

        Raises:
            ConfigError: There is none, it is damaged or was changed, or names a model outside its folder.
        """
        file = RewardFile.read(source, **options)
        try:
            saved = cls(**file.values)
        except (ConfigError, TypeError) as error:
            raise ConfigError(f"{file.path}: {error}") from error
        file.check(saved.reward.fingerprint_parts(saved.task_set), saved.task_set)
        return saved

    @classmethod
    def write(
        cls,
        folder: Path,
        reward: RewardConfig,
        task_set: TaskSet,
        fingerprint: str,
        calibration: CalibrationCurve | None = None,
        with_weights: bool = False,
    ) -> "SavedReward":
        """Write a reward into a folder, which may exist.

        Args:
            folder: Where to.
            reward: The reward, with the hashes of its models.
            task_set: Its goals.
            fingerprint: Hex sha256 of the loaded reward.
            calibration: How precise it was found to be.
            with_weights: Copy the models that are folders of this machine.

        Returns:
            What was written, its models as they are named there.

        Raises:
            ConfigError: A model is a folder of this machine and `with_weights` is off, or nothing can be written there.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            copied: dict[str, str] = {}
            reward_values = renamed(_dumped(reward), lambda model: _portable(model, folder, with_weights, copied))
            body: dict[str, Any] = {
                "reward": reward_values,
                "task_set": task_set.model_dump(mode="json", exclude_defaults=True),
                "fingerprint": fingerprint,
                "settings": settings_hashes(reward.fingerprint_parts(task_set), task_set),
                "made_by": vlm_rewards.__version__,
            }
            text = _HEADER.format(version=vlm_rewards.__version__) + yaml.safe_dump(
                body, sort_keys=False, allow_unicode=True, width=120
            )
            with written_whole(folder / REWARD_FILE) as partial:
                partial.write_text(text, encoding="utf-8")
            if calibration is not None:
                with written_whole(folder / CALIBRATION_FILE) as partial:
                    partial.write_text(calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write into {folder} ({error.strerror}); name another folder") from error
        return cls(**{**body, "task_set": task_set})


def _dumped(reward: RewardConfig) -> dict[str, Any]:
    """Return what decides the reward, written out: a template's name says less to a reader than its sentence."""
    values = reward.model_dump(mode="json", exclude_unset=True, exclude=_OF_THE_MACHINE)
    values["checkpoints"] = [hashes.model_dump(exclude_none=True) for hashes in reward.checkpoints]
    values |= {"kind": reward.kind, "model": reward.model, "template": PromptTemplate.named(reward.template).text}
    values["negatives"] = reward.negatives.model_dump(mode="json", exclude_none=True)
    values["head"] = {"form": reward.head.form, **reward.head.model_dump(mode="json", exclude_defaults=True)}
    return {name: values[name] for name in RewardConfig.model_fields if name in values}


def _portable(model: str, folder: Path, with_weights: bool, copied: dict[str, str]) -> str:
    """Return how a saved reward names a model; one that is a folder of this machine is copied once."""
    if model == "fake" or model in packaged_models():
        return model
    source = Path(os.path.expanduser(model))
    if not source.is_dir():
        return model
    if not with_weights:
        raise ConfigError(
            f"model {model!r} is a folder of this machine, which nobody else has; give --with-weights "
            "(with_weights=True) to send it along, or put the model on the hub and name its id"
        )
    if model not in copied:
        check_folder(source)
        name = re.sub(r"[^\w.-]", "-", source.resolve().name).strip(".-") or "model"
        taken = set(copied.values())
        copied[model] = next(
            wanted
            for number in range(len(taken) + 1)
            if (wanted := f"./{WEIGHTS}/{name}{f'-{number}' if number else ''}") not in taken
        )
        _copy(source, folder / copied[model])
    return copied[model]


def _copy(source: Path, target: Path) -> None:
    if target.resolve() == source.resolve():
        return  # saved over itself
    shutil.rmtree(target, ignore_errors=True)
    for pattern in _MODEL_FILES:
        for path in sorted(source.glob(pattern)):
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / path.relative_to(source))
