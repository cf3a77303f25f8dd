"""Trains one pocket CLIP, or several side by side, on one stream of fresh renderings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.learner import Learner
from vlm_rewards.pretraining.pretrain_config import PretrainConfig
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset
from vlm_rewards.pretraining.rendered_stream import CaptionedBatch, RenderedStream, StreamSpec

#: Told which model (its place in the list) has done which step, with its metrics.
OnStreamLog = Callable[[int, int, dict[str, float]], None]


def stream_of(config: PretrainConfig) -> StreamSpec:
    """Return the stream that a configuration trains on."""
    data, size = config.data, config.model
    return StreamSpec(
        data.source, size.image_height, size.image_width, data.seed, config.training.batch_size, data.options
    )


class StreamTraining:
    """Trains models of several sizes on the same batches, each batch rendered once.

    All of them see the same images and captions in the same order, which also makes a ladder of sizes comparable. What
    a step shows is a function of (seed, step) alone: models that train alone get the weights that they get side by
    side, and a run that was cut off and resumed those of one that was not.

    Attributes:
        learners: One a configuration.
    """

    def __init__(self, configs: Sequence[PretrainConfig], corpus: RenderedDataset) -> None:
        """Build the models.

        Args:
            configs: The models; data, steps, batch size, seed and contrasts must be the same.
            corpus: Images and captions of the stream's source, see `render_corpus`.

        Raises:
            ConfigError: The configurations differ in more than size, or one cannot be used.
        """
        shared = {json.dumps(_shared(config), sort_keys=True, default=str) for config in configs}
        if len(shared) != 1:
            names = ", ".join(config.name for config in configs)
            raise ConfigError(
                f"{names} differ in data, image size, steps, batch size, seed or contrasts; models that learn side by "
                "side must share these"
            )
        self._configs = tuple(configs)
        self.learners = [Learner(config.model, config.training, corpus) for config in configs]

    def run(
        self, checkpoints: Sequence[Path | None], on_log: OnStreamLog | None = None, workers: int = 1
    ) -> list[Learner]:
        """Train all models to their last step, each from its checkpoint if that file exists.

        Args:
            checkpoints: A file a model, to continue from and to write every `checkpoint_every` steps.
            on_log: Called every `log_every` steps.
            workers: Rendering processes; 0 renders in this one.

        Returns:
            The learners, their models in evaluation mode.

        Raises:
            ConfigError: A checkpoint belongs to other settings, or the source cannot be used.
        """
        identities = [self._identity(config) for config in self._configs]
        for learner, path, identity in zip(self.learners, checkpoints, identities, strict=True):
            if path and path.is_file():
                learner.restore(path, identity)
            learner.model.train()
        training = self._configs[0].training
        begin = min(learner.step for learner in self.learners)
        if begin < training.steps:
            with RenderedStream(stream_of(self._configs[0]), begin, workers) as stream:
                for step in range(begin, training.steps):
                    batch = stream.take()
                    for place, learner in enumerate(self.learners):
                        if learner.step > step:
                            continue  # cut off between two models' checkpoints
                        metrics = self._step(place, batch)
                        path, done = checkpoints[place], learner.step
                        last = done == training.steps
                        if on_log and (done % training.log_every == 0 or last):
                            on_log(place, done, {name: float(value) for name, value in metrics.items()})
                        if path and (done % training.checkpoint_every == 0 or last):
                            learner.save(path, identities[place])
        for learner in self.learners:
            learner.model.train(False)
        return self.learners

    def _step(self, place: int, batch: CaptionedBatch) -> dict[str, Any]:
        learner, config = self.learners[place], self._configs[place]
        rng = np.random.default_rng([config.training.seed, learner.step, 1])
        noise = int(rng.integers(2**62))
        texts, positive = shown_captions(batch, config.training.contrasts, rng)
        metrics = learner.learn(batch.frames, learner.tokenized(texts, config.model.max_tokens), positive, noise)
        learner.step += 1
        return metrics

    def _identity(self, config: PretrainConfig) -> str:
        """Hash what decides a training's course besides the steps between log entries and checkpoints."""
        settings = config.training.model_dump(exclude={"log_every", "checkpoint_every"})
        described = [settings, asdict(stream_of(config)), config.model.model_dump(), config.data.corpus_images]
        return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()


def shown_captions(batch: CaptionedBatch, contrasts: int, rng: np.random.Generator) -> tuple[list[str], torch.Tensor]:
    """Draw the captions of a step: one of each image, and pairs of a true one and a false one that is close to it.

    Args:
        batch: The images.
        contrasts: Pairs an image, the first ones; fewer where it has fewer.
        rng: Decides.

    Returns:
        M distinct captions in alphabetical order, and bool (N, M), which of them is true of which image. A false
        caption that is true of another image counts as true of that one.
    """
    shown: set[str] = set()
    for captions, pairs in zip(batch.captions, batch.contrasts, strict=True):
        shown.add(captions[int(rng.integers(len(captions)))])
        for pair in pairs[:contrasts]:
            shown.update(pair)
    texts = sorted(shown)
    column = {text: index for index, text in enumerate(texts)}
    positive = torch.zeros(len(batch.captions), len(texts), dtype=torch.bool)
    for row, captions in enumerate(batch.captions):
        true = [column[caption] for caption in captions if caption in column]
        true += [column[pair[0]] for pair in batch.contrasts[row] if pair[0] in column]
        positive[row, true] = True
    return texts, positive


def _shared(config: PretrainConfig) -> dict[str, Any]:
    training = config.training
    return {
        "stream": asdict(stream_of(config)),
        "corpus_images": config.data.corpus_images,
        "steps": training.steps,
        "seed": training.seed,
        "contrasts": training.contrasts,
    }
