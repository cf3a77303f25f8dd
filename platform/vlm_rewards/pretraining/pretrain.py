"""From a configuration to a model folder: render, train, export, judge."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.encoders.transformers_encoder import TransformersEncoder
from vlm_rewards.pretraining.export import export
from vlm_rewards.pretraining.model_card import CARD, TrainingFacts, model_card, weights_of, with_measurements_of
from vlm_rewards.pretraining.pretrain_config import PretrainConfig
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset, RenderSpec
from vlm_rewards.pretraining.trainer import OnLog, Trainer
from vlm_rewards.pretraining.zero_shot import ZeroShotReport, zero_shot


class OnProgress(Protocol):
    """Told how far a stage is."""

    def __call__(self, stage: str, done: int, total: int, metrics: dict[str, float]) -> None:
        """Takes the stage's name, units done and in all, and the newest metrics."""
        ...


@dataclass(frozen=True)
class PretrainOutcome:
    """What came out.

    Attributes:
        folder: the model folder.
        encoder: loaded from it.
        report: zero-shot accuracy on held-out images.
        facts: sizes and time.
    """

    folder: Path
    encoder: TransformersEncoder
    report: ZeroShotReport
    facts: TrainingFacts


def pretrain(
    config: PretrainConfig,
    run_folder: Path,
    output: Path,
    on_progress: OnProgress | None = None,
    on_log: OnLog | None = None,
    images: Path | None = None,
) -> PretrainOutcome:
    """Trains one pocket CLIP, continuing what `run_folder` holds of it.

    Args:
        config: what to train.
        run_folder: for the renderings and the checkpoint; a killed run continues from here.
        output: the model folder, replaced once the model is complete.
        on_progress: told about each stage.
        on_log: called with the step and its metrics.
        images: folder for the renderings, where several models are to share them; None is the run folder.

    Raises:
        ConfigError: unusable settings or captions, or a run folder that holds another training.
    """
    run_folder.mkdir(parents=True, exist_ok=True)
    images = images or run_folder
    data, size = config.data, config.model

    def rendered(name: str, count: int, seed: int, options: dict[str, Any]) -> RenderedDataset:
        spec = RenderSpec(data.source, count, size.image_height, size.image_width, seed, options)
        told: Callable[[int], None] | None = None
        if on_progress:
            told = lambda done: on_progress(f"rendering {name} images", done, count, {})  # noqa: E731
        return RenderedDataset.render(spec, images / f"{name}-images", data.workers, told)

    train = rendered("train", data.train_images, data.seed, data.options)
    held_out = rendered("held-out", data.held_out_images, data.seed + 1, data.held_out_options)
    trainer = Trainer(size, config.training, train)

    def logged(step: int, metrics: dict[str, float]) -> None:
        if on_progress:
            on_progress("training", step, config.training.steps, metrics)
        if on_log:
            on_log(step, metrics)

    clock_file = run_folder / "training-seconds.json"
    earlier = (
        json.loads(clock_file.read_text()) if clock_file.is_file() and (run_folder / "state.pt").is_file() else 0.0
    )
    started = time.monotonic()
    try:
        trainer.run(run_folder / "state.pt", logged)
    finally:
        seconds = earlier + time.monotonic() - started
        clock_file.write_text(json.dumps(seconds))
    card_file = output / CARD
    earlier_card = card_file.read_text(encoding="utf-8") if card_file.is_file() else ""
    with quiet_transformers():
        encoder = export(trainer, size, held_out, output)
    report = zero_shot(encoder, held_out, held_out.usual_captions())
    model: Any = trainer.model
    facts = TrainingFacts(
        image_parameters=_parameters(model.vision_model, model.visual_projection),
        text_parameters=_parameters(model.text_model, model.text_projection),
        distinct_captions=len(train.captions),
        training_seconds=seconds,
        weights_dtype=json.loads((output / "config.json").read_text())["dtype"],
    )
    card = with_measurements_of(model_card(config, facts, report), earlier_card, weights_of(output))
    card_file.write_text(card, encoding="utf-8")
    (run_folder / "zero-shot.json").write_text(json.dumps(asdict(report), indent=1), encoding="utf-8")
    return PretrainOutcome(output, encoder, report, facts)


def _parameters(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
