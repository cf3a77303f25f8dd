"""A ladder of models: the schema of `experiments/presets/pretrain_ladder/*.yaml`."""

from typing import Any

from pydantic import Field

from experiments.shared.preset_files import load_preset
from vlm_rewards.pretraining.pretrain_config import PretrainConfig
from vlm_rewards.strict_config import StrictConfig


class LadderConfig(StrictConfig):
    """What the models of a ladder share, and which sizes it has.

    Attributes:
        sizes: Presets of `pretrain_clip`, of which the towers' shapes are taken.
        prefix: Before each size's name in the name of its model, such as `web-`.
        continued: Whether each model goes on from the packaged one of its size's name.
        model: Settings of all towers, in place of those of the sizes.
        data: Captioned images.
        training: Optimisation.
    """

    sizes: tuple[str, ...] = Field(min_length=1)
    prefix: str = ""
    continued: bool = False
    model: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any]
    training: dict[str, Any] = Field(default_factory=dict)

    def models(self) -> list[PretrainConfig]:
        """Return the settings of each model.

        Raises:
            ConfigError: A size is unknown, or settings are not acceptable.
        """
        start = {"start_from": None}
        return [
            PretrainConfig.model_validate(
                {
                    "name": self.prefix + size,
                    "model": {**load_preset("pretrain_clip", size)["model"], **self.model},
                    "data": self.data,
                    "training": {**start, **self.training, **({"start_from": size} if self.continued else {})},
                }
            )
            for size in self.sizes
        ]
