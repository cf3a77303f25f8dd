"""Contrastive training of one pocket CLIP."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from vlm_rewards.encoders.pocket_clip import PocketCLIPModel
from vlm_rewards.pretraining.caption_edits import CaptionEdits
from vlm_rewards.pretraining.learner import Learner
from vlm_rewards.pretraining.pretrain_config import ModelSize, TrainingConfig
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset

OnLog = Callable[[int, dict[str, float]], None]


class Trainer(Learner):
    """Trains a pocket CLIP on a rendered dataset, epoch after epoch.

    A step's batch, captions and augmentation are functions of (seed, step) alone, so a run that was cut off and resumed
    gives the same weights as one that was not.
    """

    def __init__(
        self, size: ModelSize, training: TrainingConfig, dataset: RenderedDataset, device: str = "cpu"
    ) -> None:
        """Build the model and its tokenizer.

        Raises:
            ConfigError: bf16 on a processor that cannot run it, or a caption longer than the text tower reads.
        """
        super().__init__(size, training, dataset, device)
        self._dataset = dataset
        self._tokens = self.tokenized(list(dataset.captions), size.max_tokens)
        # Padded with -1, which is no caption's index.
        longest = max(len(ids) for ids in dataset.caption_ids)
        self._caption_ids = np.full((len(dataset.labels), longest), -1, np.int64)
        for row, ids in enumerate(dataset.caption_ids):
            self._caption_ids[row, : len(ids)] = ids
        self._edits = CaptionEdits(dataset.captions, training.seed) if training.hard_negatives else None

    def run(self, checkpoint: Path | None = None, on_log: OnLog | None = None) -> PocketCLIPModel:
        """Train until `steps`, from `checkpoint` if that file exists.

        Args:
            checkpoint: File to continue from and to write every `checkpoint_every` steps.
            on_log: Called with the step and its metrics every `log_every` steps.

        Returns:
            The trained model, in evaluation mode.

        Raises:
            ConfigError: The checkpoint belongs to other settings.
        """
        identity = self._identity() if checkpoint else ""
        if checkpoint and checkpoint.is_file():
            self.restore(checkpoint, identity)
        self.model.train()
        while self.step < self._training.steps:
            rng = np.random.default_rng([self._training.seed, self.step, 1])
            rows = self._batch_rows()
            noise = int(rng.integers(2**62))
            texts, positive = self._captions_of(rows, rng)
            metrics = self.learn(self._dataset.frames[rows], _rows_of(self._tokens, texts), positive, noise)
            self.step += 1
            if on_log and (self.step % self._training.log_every == 0 or self.step == self._training.steps):
                on_log(self.step, {name: float(value) for name, value in metrics.items()})
            if checkpoint and (self.step % self._training.checkpoint_every == 0 or self.step == self._training.steps):
                self.save(checkpoint, identity)
        self.model.train(False)
        return self.model

    def _batch_rows(self) -> np.ndarray:
        """Return the rows of this step's batch, sorted: whole epochs in random order, one after the other."""
        count, size = len(self._dataset.labels), self._training.batch_size
        places = np.arange(self.step * size, (self.step + 1) * size)
        rows = [
            np.random.default_rng([self._training.seed, epoch]).permutation(count)[
                places[places // count == epoch] % count
            ]
            for epoch in range(places[0] // count, places[-1] // count + 1)
        ]
        return np.unique(np.concatenate(rows))

    def _captions_of(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, torch.Tensor]:
        """Draw a caption an image, and edits; return the distinct ones, and which are true of which image."""
        ids = self._caption_ids[rows]
        chosen = (rng.random(len(rows)) * (ids >= 0).sum(axis=1)).astype(np.int64)
        texts = np.unique(ids[np.arange(len(rows)), chosen])
        if self._edits is not None:
            # An edit that happens to be true of an image of the batch counts as true, like every caption.
            texts = np.union1d(texts, self._edits.draw(texts, rng))
        return texts, torch.from_numpy((ids[:, :, None] == texts).any(axis=1))

    def _identity(self) -> str:
        """Hash what decides a training's course besides its length between log entries."""
        settings = self._training.model_dump(exclude={"log_every", "checkpoint_every"})
        data = [self._dataset.frames.shape, self._dataset.captions, self.model.config.to_dict()]
        return hashlib.sha256(json.dumps([settings, data], sort_keys=True, default=str).encode()).hexdigest()


def _rows_of(tokens: tuple[torch.Tensor, torch.Tensor], rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return tokens[0][rows], tokens[1][rows]
