"""Contrastive training of one pocket CLIP."""

import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from vlm_rewards.encoders.pocket_clip import PocketCLIPModel
from vlm_rewards.encoders.precision import cpu_runs_bf16
from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.augmentation import augment
from vlm_rewards.pretraining.caption_edits import CaptionEdits
from vlm_rewards.pretraining.contrastive_loss import multi_positive_loss
from vlm_rewards.pretraining.pretrain_config import ModelSize, TrainingConfig
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset
from vlm_rewards.pretraining.tokenizer import make_tokenizer

OnLog = Callable[[int, dict[str, float]], None]

_MAX_LOGIT_SCALE = math.log(100)


class Trainer:
    """Trains a pocket CLIP on a rendered dataset.

    A step's batch, captions and augmentation are functions of (seed, step) alone, so a run that was cut off and resumed
    gives the same weights as one that was not.

    Attributes:
        model: the towers, being trained.
        tokenizer: made from the dataset's captions.
        mean: of the red, green and blue channel over the dataset, in [0, 1].
        std: likewise.
        step: steps done.
    """

    def __init__(
        self, size: ModelSize, training: TrainingConfig, dataset: RenderedDataset, device: str = "cpu"
    ) -> None:
        """Builds the model and its tokenizer.

        Raises:
            ConfigError: bf16 on a processor that cannot run it.
        """
        if training.precision == "bf16" and device == "cpu" and not cpu_runs_bf16():
            raise ConfigError(
                "this processor announces AMX but dies of it; use training.precision fp32, or set the environment "
                "variable ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 before starting"
            )
        torch.set_num_threads(training.threads)
        torch.manual_seed(training.seed)
        self._training, self._dataset, self._device = training, dataset, torch.device(device)
        self.tokenizer: PreTrainedTokenizerFast = make_tokenizer(dataset.captions, size.vocab_size, size.max_tokens)
        self._tokens = self._tokenized(size.max_tokens)
        self.mean, self.std = _channel_statistics(dataset)
        self.model = PocketCLIPModel(size.config(len(self.tokenizer)))
        cast(Any, self.model).to(device=self._device, memory_format=torch.channels_last)
        self._optimizer = torch.optim.AdamW(self._parameter_groups(), lr=training.learning_rate, betas=(0.9, 0.98))
        # Padded with -1, which is no caption's index.
        longest = max(len(ids) for ids in dataset.caption_ids)
        self._caption_ids = np.full((len(dataset.labels), longest), -1, np.int64)
        for row, ids in enumerate(dataset.caption_ids):
            self._caption_ids[row, : len(ids)] = ids
        self._edits = CaptionEdits(dataset.captions, training.seed) if training.hard_negatives else None
        self.step = 0

    def run(self, checkpoint: Path | None = None, on_log: OnLog | None = None) -> PocketCLIPModel:
        """Trains until `steps`, from `checkpoint` if that file exists.

        Args:
            checkpoint: file to continue from and to write every `checkpoint_every` steps.
            on_log: called with the step and its metrics every `log_every` steps.

        Returns:
            The trained model, in evaluation mode.

        Raises:
            ConfigError: the checkpoint belongs to other settings.
        """
        if checkpoint and checkpoint.is_file():
            self._restore(checkpoint)
        self.model.train()
        while self.step < self._training.steps:
            metrics = self._train_step()
            self.step += 1
            if on_log and (self.step % self._training.log_every == 0 or self.step == self._training.steps):
                on_log(self.step, {name: float(value) for name, value in metrics.items()})
            if checkpoint and (self.step % self._training.checkpoint_every == 0 or self.step == self._training.steps):
                self._save(checkpoint)
        return self.model.eval()

    def _train_step(self) -> dict[str, Any]:
        training, rng = self._training, np.random.default_rng([self._training.seed, self.step, 1])
        rate = self._learning_rate()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        rows = self._batch_rows()
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        pixels = torch.from_numpy(self._dataset.frames[rows]).permute(0, 3, 1, 2).float() / 255
        pixels = augment(pixels, generator, training.shift, training.jitter)
        mean, std = torch.tensor(self.mean).view(1, 3, 1, 1), torch.tensor(self.std).view(1, 3, 1, 1)
        pixels = ((pixels - mean) / std).contiguous(memory_format=torch.channels_last).to(self._device)
        texts, positive = self._captions_of(rows, rng)
        ids, mask = (part[texts] for part in self._tokens)
        length = int(mask.sum(dim=1).max())
        with torch.autocast(self._device.type, torch.bfloat16, enabled=training.precision == "bf16"):
            output = self.model(
                input_ids=ids[:, :length].to(self._device),
                pixel_values=pixels,
                attention_mask=mask[:, :length].to(self._device),
            )
        images, captions = output.image_embeds.float(), output.text_embeds.float()
        loss = multi_positive_loss(images, captions, positive.to(self._device), self.model.logit_scale.exp())
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=_MAX_LOGIT_SCALE)
        best = (images @ captions.T).argmax(dim=1).cpu()
        return {
            "loss": loss.detach(),
            "batch_accuracy": positive[torch.arange(len(rows)), best].float().mean(),
            "learning_rate": rate,
            "temperature": 1 / self.model.logit_scale.detach().exp(),
        }

    def _batch_rows(self) -> np.ndarray:
        """Returns the rows of this step's batch, sorted: whole epochs in random order, one after the other."""
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
        """Draws a caption an image, and edits; returns the distinct ones, and which are true of which image."""
        ids = self._caption_ids[rows]
        chosen = (rng.random(len(rows)) * (ids >= 0).sum(axis=1)).astype(np.int64)
        texts = np.unique(ids[np.arange(len(rows)), chosen])
        if self._edits is not None:
            # An edit that happens to be true of an image of the batch counts as true, like every caption.
            texts = np.union1d(texts, self._edits.draw(texts, rng))
        return texts, torch.from_numpy((ids[:, :, None] == texts).any(axis=1))

    def _learning_rate(self) -> float:
        training = self._training
        if self.step < training.warmup_steps:
            return training.learning_rate * (self.step + 1) / training.warmup_steps
        cycle_steps = math.ceil(training.steps / training.cycles)
        cycle, begun = divmod(self.step, cycle_steps)
        # Only the first cycle warms up: the optimizer's averages are there for the others.
        flat = 0 if cycle else training.warmup_steps
        progress = (begun - flat) / max(1, cycle_steps - flat)
        return training.learning_rate * 0.5**cycle * 0.5 * (1 + math.cos(math.pi * progress))

    def _parameter_groups(self) -> list[dict[str, Any]]:
        decayed = [p for p in self.model.parameters() if p.ndim >= 2]
        others = [p for p in self.model.parameters() if p.ndim < 2]
        return [
            {"params": decayed, "weight_decay": self._training.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]

    def _tokenized(self, max_tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = self.tokenizer(list(self._dataset.captions), padding=True, return_tensors="pt", verbose=False)
        if tokens["input_ids"].shape[1] > max_tokens:
            longest = max(self._dataset.captions, key=len)
            raise ConfigError(
                f"captions have up to {tokens['input_ids'].shape[1]} tokens (such as {longest!r}), but "
                f"model.max_tokens is {max_tokens}; raise it"
            )
        return tokens["input_ids"], tokens["attention_mask"]

    def _identity(self) -> str:
        """Hashes what decides a training's course besides its length between log entries."""
        settings = self._training.model_dump(exclude={"log_every", "checkpoint_every"})
        data = [self._dataset.frames.shape, self._dataset.captions, self.model.config.to_dict()]
        return hashlib.sha256(json.dumps([settings, data], sort_keys=True, default=str).encode()).hexdigest()

    def _save(self, path: Path) -> None:
        partial = path.with_suffix(".partial")
        torch.save(
            {
                "identity": self._identity(),
                "step": self.step,
                "model": self.model.state_dict(),
                "optimizer": self._optimizer.state_dict(),
            },
            partial,
        )
        os.replace(partial, path)

    def _restore(self, path: Path) -> None:
        state = torch.load(path, map_location=self._device, weights_only=True)
        if state["identity"] != self._identity():
            raise ConfigError(f"{path} belongs to other settings or data; choose another run folder, or delete it")
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def _channel_statistics(dataset: RenderedDataset) -> tuple[list[float], list[float]]:
    rows = np.linspace(0, len(dataset.labels) - 1, min(500, len(dataset.labels))).astype(int)
    pixels = dataset.frames[rows].reshape(-1, 3).astype(np.float64) / 255
    return [round(float(v), 4) for v in pixels.mean(axis=0)], [round(float(v), 4) for v in pixels.std(axis=0)]
