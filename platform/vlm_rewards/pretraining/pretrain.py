"""From a configuration to a model folder: render, train, export, judge."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.encoders.transformers_encoder import TransformersEncoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.export import export
from vlm_rewards.pretraining.learner import Learner
from vlm_rewards.pretraining.model_card import CARD, TrainingFacts, model_card, weights_of, with_measurements_of
from vlm_rewards.pretraining.pretrain_config import PretrainConfig
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset, RenderSpec
from vlm_rewards.pretraining.rendered_stream import render_corpus
from vlm_rewards.pretraining.stream_training import OnStreamLog, StreamTraining, stream_of
from vlm_rewards.pretraining.trainer import OnLog, Trainer
from vlm_rewards.pretraining.zero_shot import ZeroShotReport, zero_shot


class OnProgress(Protocol):
    """Told how far a stage is."""

    def __call__(self, stage: str, done: int, total: int, metrics: dict[str, float]) -> None:
        """Take the stage's name, units done and in all, and the newest metrics."""
        ...


@dataclass(frozen=True)
class PretrainOutcome:
    """What came out.

    Attributes:
        folder: The model folder.
        encoder: Loaded from it.
        report: Zero-shot accuracy on held-out images.
        facts: Sizes and time.
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
    """Train one pocket CLIP, continuing what `run_folder` holds of it.

    Args:
        config: What to train.
        run_folder: Folder for the renderings and the checkpoint; a killed run continues from here.
        output: The model folder, replaced once the model is complete.
        on_progress: Told about each stage.
        on_log: Called with the step and its metrics.
        images: Folder for the renderings, where several models are to share them; None is the run folder.

    Raises:
        ConfigError: Unusable settings or captions, or a run folder that holds another training.
    """
    run_folder.mkdir(parents=True, exist_ok=True)
    images = images or run_folder
    if config.data.stream:
        return pretrain_side_by_side(
            [config], [run_folder], [output], images, on_progress, lambda _, *logged: on_log and on_log(*logged)
        )[0]
    train = _rendered(config, "train", images, on_progress)
    held_out = _rendered(config, "held-out", images, on_progress)
    trainer = Trainer(config.model, config.training, train)

    def logged(step: int, metrics: dict[str, float]) -> None:
        if on_progress:
            on_progress("training", step, config.training.steps, metrics)
        if on_log:
            on_log(step, metrics)

    with _clock(run_folder) as clock:
        trainer.run(run_folder / "state.pt", logged)
    return _finish(trainer, config, train, held_out, run_folder, output, clock.seconds)


def pretrain_side_by_side(
    configs: Sequence[PretrainConfig],
    run_folders: Sequence[Path],
    outputs: Sequence[Path],
    images: Path,
    on_progress: OnProgress | None = None,
    on_log: OnStreamLog | None = None,
) -> list[PretrainOutcome]:
    """Train pocket CLIPs of several sizes on one stream of renderings, continuing what the run folders hold.

    Args:
        configs: The models; only sizes and names may differ, and what they start from.
        run_folders: One a model, for its checkpoint.
        outputs: Model folders, each replaced once its model is complete.
        images: Folder for the held-out renderings; the others are never stored.
        on_progress: Told about each stage.
        on_log: Called with the place of the model in the list, the step and its metrics.

    Raises:
        ConfigError: Unusable settings or captions, or a run folder that holds another training.
    """
    held_out = _rendered(configs[0], "held-out", images, on_progress)
    corpus = render_corpus(stream_of(configs[0]), configs[0].data.corpus_images)
    training = StreamTraining(configs, corpus)
    steps = configs[0].training.steps

    def logged(place: int, step: int, metrics: dict[str, float]) -> None:
        if on_progress and place == len(configs) - 1:
            on_progress("training", step, steps, metrics)
        if on_log:
            on_log(place, step, metrics)

    for folder in run_folders:
        folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        clocks = [stack.enter_context(_clock(folder)) for folder in run_folders]
        training.run([folder / "state.pt" for folder in run_folders], logged, configs[0].data.workers)
    return [
        _finish(learner, config, corpus, held_out, folder, output, clock.seconds)
        for learner, config, folder, output, clock in zip(
            training.learners, configs, run_folders, outputs, clocks, strict=True
        )
    ]


def _rendered(config: PretrainConfig, name: str, images: Path, on_progress: OnProgress | None) -> RenderedDataset:
    data, size = config.data, config.model
    count, seed, options = (
        (data.train_images, data.seed, data.options)
        if name == "train"
        else (data.held_out_images, data.seed + 1, data.held_out_options)
    )
    spec = RenderSpec(data.source, count, size.image_height, size.image_width, seed, options)
    told: Callable[[int], None] | None = None
    if on_progress:
        told = lambda done: on_progress(f"rendering {name} images", done, count, {})  # noqa: E731
    return RenderedDataset.render(spec, images / f"{name}-images", data.workers, told)


@dataclass
class _Clock:
    """Seconds of training, over all the processes that a run took."""

    seconds: float


@contextlib.contextmanager
def _clock(run_folder: Path) -> Iterator[_Clock]:
    clock_file = run_folder / "training-seconds.json"
    clock = _Clock(_seconds(clock_file) if (run_folder / "state.pt").is_file() else 0.0)
    started = time.monotonic()
    try:
        yield clock
    finally:
        clock.seconds += time.monotonic() - started
        clock_file.write_text(json.dumps(clock.seconds))


def _seconds(clock_file: Path) -> float:
    try:
        return float(json.loads(clock_file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return 0.0
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{clock_file} is damaged: bring it back from a copy, or delete it, and the seconds until now count as none"
        ) from error


def _finish(
    learner: Learner,
    config: PretrainConfig,
    train: RenderedDataset,
    held_out: RenderedDataset,
    run_folder: Path,
    output: Path,
    seconds: float,
) -> PretrainOutcome:
    """Write the model folder and judge what it holds."""
    card_file = output / CARD
    earlier_card = card_file.read_text(encoding="utf-8") if card_file.is_file() else ""
    with quiet_transformers():
        encoder = export(learner, config.model, held_out, output)
    report = zero_shot(encoder, held_out, held_out.usual_captions())
    model: Any = learner.model
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
