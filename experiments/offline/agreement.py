"""Compares a model's rewards in several precisions on recorded frames: the schema of `presets/agree/*.yaml`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from experiments.offline.config import DataConfig
from experiments.offline.embedding import embedded
from experiments.offline.rewards import FamilyRewards, TextMemo, open_states
from experiments.shared.preset_files import load_preset, merged
from vlm_rewards.encoders import load_encoder
from vlm_rewards.encoders.checkpoint_encoder import CheckpointEncoder
from vlm_rewards.encoders.proof.agreement import AgreementRecord, PrecisionAgreement, RewardAgreement
from vlm_rewards.encoders.quantised_graph import QuantisedGraph
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline.agreement import compare_scores
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.strict_config import StrictConfig


class AgreementReward(StrictConfig):
    """One reward that an agent trains on, and recorded frames to try it on.

    Attributes:
        train: Training preset whose reward it is.
        reward: Settings that replace the preset's, as an arm of a study does.
        data: The recorded frames.
    """

    train: str
    reward: dict[str, Any] = Field(default_factory=dict)
    data: DataConfig


class AgreementConfig(StrictConfig):
    """One comparison.

    Attributes:
        model: Packaged name, folder or hub id.
        precisions: Those to compare with fp32.
        rewards: Rewards by name.
    """

    model: str
    precisions: tuple[Literal["bf16", "int8"], ...] = ("bf16", "int8")
    rewards: dict[str, AgreementReward] = Field(min_length=1)


def find_agreements(
    config: AgreementConfig, runtime: Literal["openvino", "torch"], folder: Path | None = None
) -> Iterator[PrecisionAgreement]:
    """Compare precision by precision, and keep each result in the model's folder.

    Args:
        config: What to compare.
        runtime: Runtime of the image tower.
        folder: To keep results in; None for the model's own.

    Raises:
        ConfigError: A dataset is missing or damaged, a preset has no such reward, or a precision is not there.
        CheckpointError: The model is no usable dual encoder.
    """
    scorings = {name: _Scoring(config.model, one) for name, one in config.rewards.items()}
    fp32 = _load(config.model, "fp32", runtime)
    expected = _scores(scorings, fp32)
    for precision in config.precisions:
        encoder = _load(config.model, precision, runtime)
        scores = _scores(scorings, encoder)
        quantised = QuantisedGraph.read(encoder.records, encoder.parts) if precision == "int8" else None
        found = PrecisionAgreement(
            runtime=runtime,
            precision=precision,
            graph=quantised.digest if quantised else "",
            rewards=tuple(scoring.agreement(name, expected[name], scores[name]) for name, scoring in scorings.items()),
        )
        kept = folder or encoder.records
        record = AgreementRecord.read(kept)
        if record is None or record.parts != encoder.parts:
            record = AgreementRecord(parts=encoder.parts)
        record.with_agreement(found).write(kept)
        yield found


class _Scoring:
    """A reward and its states."""

    def __init__(self, model: str, config: AgreementReward) -> None:
        trained_on = load_preset("train", config.train)["reward"]
        if trained_on["kind"] != "clip":
            raise ConfigError(f"preset {config.train!r} trains on no reward model; name one that does")
        values = merged(merged(trained_on, config.reward), {"model": model})
        self.reward = RewardConfig(**values)
        if not self.reward.head.terminates:
            raise ConfigError(f"preset {config.train!r} has a dense reward; agreement is of rewards of 0 and 1")
        self.dataset, self.task_sets = open_states(config.data)
        self.dataset.check_positives()

    def score(self, encoder: TextMemo, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return FamilyRewards(self.reward, self.task_sets, encoder).score(self.dataset.states, images)

    def agreement(self, name: str, expected: np.ndarray, scores: np.ndarray) -> RewardAgreement:
        labels = self.dataset.states.goal_achieved
        return compare_scores(
            name, self.reward.agreement_key, self.dataset.name, expected, scores, labels, self.reward.beta
        )


def _load(model: str, precision: Literal["fp32", "bf16", "int8"], runtime: Literal["openvino", "torch"]) -> Any:
    encoder = load_encoder(model, precision=precision, encoder=runtime)
    if not isinstance(encoder, CheckpointEncoder):
        raise ConfigError(f"model {model!r} has no precisions to compare; name a packaged model, a folder or a hub id")
    return encoder


def _scores(scorings: dict[str, _Scoring], encoder: Any) -> dict[str, npt.NDArray[np.float32]]:
    """Score each reward's states; reward that share states share their embeddings."""
    known: dict[str, npt.NDArray[np.float32]] = {}
    scores = {}
    for name, scoring in scorings.items():
        key = f"{scoring.dataset.fingerprint}{scoring.dataset.families}"
        if key not in known:
            known[key] = embedded(scoring.dataset, encoder)
        scores[name] = scoring.score(TextMemo(encoder), known[key])
    return scores
