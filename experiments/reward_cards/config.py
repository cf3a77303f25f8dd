"""What a reward card is told: the schema of `experiments/presets/reward_card/*.yaml`."""

from pathlib import Path

from pydantic import Field

from experiments.offline.config import DataConfig
from experiments.offline.rewards import vary
from experiments.shared.preset_files import load_preset, preset_names
from vlm_rewards.errors import ConfigError
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.strict_config import StrictConfig


class CardData(DataConfig):
    """The labelled states that a reward is judged on; all of one family.

    Attributes:
        collect: Preset of `experiments.collect` that makes them; they are collected where `dataset` is not there.
        changes: What of that preset is changed, as `--set` takes it.
    """

    collect: str
    changes: tuple[str, ...] = ()


class AgentRows(StrictConfig):
    """Agents that were trained on the reward, as rows of a table in `docs/results`.

    Attributes:
        file: Name of the CSV file.
        where: Values that columns must have, by column.
        note: What they were trained with, and what was different from the reward of today.
    """

    file: str
    where: dict[str, str] = Field(default_factory=dict)
    note: str


class CardConfig(StrictConfig):
    """One card.

    Attributes:
        name: Name of the page; that of the preset.
        title: Headline.
        trainings: Training presets whose reward it is.
        made_for: What it is for, in a sentence or two.
        calibrated: On what tau and beta were chosen, for what, and by which command.
        data: The states that it is judged on.
        pictures: Of each kind of mistake, at most one from a trajectory.
        seen: What a person saw in a picture of a mistake, by `trajectory:step`.
        pressure: Task of the pressure benchmark, by which its table is searched; None where it has no such task.
        agents: Agents that were trained on it.
        limits: In words, a paragraph each.
        resamples: Resamples of the bootstrap over trajectories.
        seed: Seed of the bootstrap.
    """

    name: str = Field(pattern=r"^[\w-]+$")
    title: str
    trainings: tuple[str, ...] = Field(min_length=1)
    made_for: str
    calibrated: str
    data: CardData
    pictures: int = Field(default=8, ge=1, le=12)
    seen: dict[str, str] = Field(default_factory=dict)
    pressure: str | None = None
    agents: tuple[AgentRows, ...] = ()
    limits: tuple[str, ...] = Field(min_length=1)
    resamples: int = Field(default=1000, ge=10)
    seed: int = Field(default=0, ge=0)

    def reward(self) -> RewardConfig:
        """Return the reward in fp32 on torch: what every other precision and runtime is compared with.

        Raises:
            ConfigError: The training presets have no reward model, or not one and the same that pays successes.
        """
        rewards = {name: trained_on(name) for name in self.trainings}
        first, *others = rewards.values()
        for name, reward in rewards.items():
            if reward is None or not reward.head.terminates:
                raise ConfigError(f"trainings: preset {name!r} has no reward model with a threshold; leave it out")
        if any(other != first for other in others):
            raise ConfigError(f"trainings: {', '.join(rewards)} have different rewards; give each a card of its own")
        assert first is not None
        return vary(first, precision="fp32", encoder="torch")


def trained_on(preset: str) -> RewardConfig | None:
    """Return the reward model of a training preset; None where it trains on something else."""
    values = load_preset("train", preset)["reward"]
    return RewardConfig.model_validate(values) if isinstance(values, str) or values["kind"] == "clip" else None


def shipped_cards() -> dict[str, CardConfig]:
    """Return the cards of all shipped rewards by name."""
    return {name: CardConfig(**load_preset("reward_card", name)) for name in preset_names("reward_card")}


def folder_of_results() -> Path:
    """Return the folder of the tables that cards quote."""
    return Path(__file__).resolve().parents[2] / "docs" / "results"
