"""What was found when a faster precision's rewards were compared with fp32's, kept in the checkpoint's folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from vlm_rewards.errors import SelfCheckError
from vlm_rewards.strict_config import StrictConfig

AGREEMENT_NAME = "agreement.json"
# A precision passes if every reward it was tried with agrees at least so far.
LEAST_EQUAL = 0.999
LARGEST_AP_CHANGE = 0.002


class RewardAgreement(StrictConfig):
    """One reward on one set of recorded frames.

    Attributes:
        reward: What it is, such as the name of the preset that trains on it.
        key: `RewardConfig.agreement_key` of its template, negatives, temperature, threshold and form.
        dataset: Name of the recorded dataset.
        frames: Number of frames.
        rewarded: Frames to which fp32 gives a reward.
        differing: Frames to which the precision gives another reward than fp32 does.
        average_precision: Average precision of this precision's scores, in [0, 1].
        fp32_average_precision: Average precision of fp32's scores, in [0, 1].
    """

    reward: str
    key: str
    dataset: str
    frames: int = Field(ge=1)
    rewarded: int = Field(ge=0)
    differing: int = Field(ge=0)
    average_precision: float
    fp32_average_precision: float

    @property
    def equal(self) -> float:
        """Share of frames with equal rewards, in [0, 1]."""
        return 1 - self.differing / self.frames

    @property
    def passed(self) -> bool:
        """Whether rewards and average precision are close enough to fp32's."""
        change = abs(self.average_precision - self.fp32_average_precision)
        return self.equal >= LEAST_EQUAL and change <= LARGEST_AP_CHANGE  # written so that NaN fails


class PrecisionAgreement(StrictConfig):
    """All rewards that one precision was tried with.

    Attributes:
        runtime: `torch` or `openvino`.
        precision: Precision of the image tower.
        graph: hex sha256 of the quantised image tower that was tried; empty where there is none.
        rewards: What was found.
    """

    runtime: Literal["torch", "openvino"]
    precision: Literal["bf16", "int8"]
    graph: str = ""
    rewards: tuple[RewardAgreement, ...] = Field(min_length=1)

    @property
    def passed(self) -> bool:
        """Whether every reward agrees."""
        return all(reward.passed for reward in self.rewards)

    def passed_for(self, key: str) -> bool:
        """Return whether a reward agrees: by what was found for that very one, else as all that were tried.

        Args:
            key: `RewardConfig.agreement_key`; empty where the reward is not known.
        """
        tried = [reward for reward in self.rewards if reward.key == key]
        return all(reward.passed for reward in tried) if tried else self.passed


class AgreementRecord(StrictConfig):
    """The file `agreement.json` of a checkpoint folder.

    Attributes:
        parts: hex sha256 by part of the checkpoint that was tried.
        precisions: One entry a runtime and precision.
    """

    parts: dict[str, str]
    precisions: tuple[PrecisionAgreement, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> "AgreementRecord | None":
        """Return the record of a checkpoint folder, or None if it has none.

        Raises:
            SelfCheckError: The record is damaged.
        """
        path = folder / AGREEMENT_NAME
        if not path.is_file():
            return None
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise SelfCheckError(f"{path} is damaged ({error}); restore it from where the model came from") from error

    def write(self, folder: Path) -> None:
        """Write the record into a checkpoint folder."""
        (folder / AGREEMENT_NAME).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    def with_agreement(self, found: PrecisionAgreement) -> "AgreementRecord":
        """Return the record with a precision's entry added, or put in place of its former one."""
        kept = [
            entry for entry in self.precisions if (entry.runtime, entry.precision) != (found.runtime, found.precision)
        ]
        entries = sorted([*kept, found], key=lambda entry: (entry.runtime, entry.precision))
        return self.model_copy(update={"precisions": tuple(entries)})

    def passed(
        self, runtime: str, parts: Mapping[str, str], graph: str = "", reward: str = ""
    ) -> tuple[Literal["bf16", "int8"], ...]:
        """Return the precisions whose rewards agree with fp32's.

        Args:
            runtime: That will compute.
            parts: Parts of the checkpoint in use; a record of another one says nothing about it.
            graph: hex sha256 of the quantised image tower in use; empty where there is none.
            reward: `RewardConfig.agreement_key` of the reward in use; empty where it is not known.
        """
        if self.parts != dict(parts):
            return ()
        usable = [entry for entry in self.precisions if entry.runtime == runtime and entry.graph in ("", graph)]
        return tuple(entry.precision for entry in usable if entry.passed_for(reward))
