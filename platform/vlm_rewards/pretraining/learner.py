"""One pocket CLIP, its tokenizer and its optimizer: what a training step changes."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedTokenizerFast

from vlm_rewards.encoders.checkpoint import Checkpoint
from vlm_rewards.encoders.loading import resolve_model
from vlm_rewards.encoders.pocket_clip import PocketCLIPModel
from vlm_rewards.encoders.precision import cpu_runs_bf16
from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.augmentation import augment
from vlm_rewards.pretraining.contrastive_loss import multi_positive_loss
from vlm_rewards.pretraining.pretrain_config import ModelSize, TrainingConfig
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset
from vlm_rewards.pretraining.tokenizer import make_tokenizer
from vlm_rewards.whole_files import written_whole

_MAX_LOGIT_SCALE = math.log(100)


class Learner:
    """Takes gradient steps.

    Attributes:
        model: The towers, being trained.
        tokenizer: Made from the captions, or that of the model that training starts from.
        mean: Mean of the red, green and blue channel over the images, in [0, 1].
        std: Likewise.
        step: Steps done.
    """

    def __init__(
        self, size: ModelSize, training: TrainingConfig, dataset: RenderedDataset, device: str = "cpu"
    ) -> None:
        """Build the model and its tokenizer.

        Args:
            size: Shape of the towers.
            training: The optimisation.
            dataset: Images and captions for vocabulary and statistics.
            device: Device of torch.

        Raises:
            ConfigError: bf16 on a processor that cannot run it, or a `start_from` of another shape.
        """
        if training.precision == "bf16" and device == "cpu" and not cpu_runs_bf16():
            raise ConfigError(
                "this processor announces AMX but dies of it; use training.precision fp32, or set the environment "
                "variable ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 before starting"
            )
        torch.set_num_threads(training.threads)
        torch.manual_seed(training.seed)
        self._training, self._device = training, torch.device(device)
        if training.start_from is None:
            self.tokenizer: PreTrainedTokenizerFast = make_tokenizer(dataset.captions, size.vocab_size, size.max_tokens)
            self.mean, self.std = _channel_statistics(dataset)
            self.model = PocketCLIPModel(size.config(len(self.tokenizer)))
        else:
            self._continue_from(training.start_from, size)
        cast(Any, self.model).to(device=self._device, memory_format=torch.channels_last)
        self._optimizer = torch.optim.AdamW(self._parameter_groups(), lr=training.learning_rate, betas=(0.9, 0.98))
        self.step = 0

    def learn(
        self,
        frames: npt.NDArray[np.uint8],
        tokens: tuple[torch.Tensor, torch.Tensor],
        positive: torch.Tensor,
        noise: int,
    ) -> dict[str, Any]:
        """Take one step on a batch; the caller counts it.

        Args:
            frames: uint8 (N, H, W, 3).
            tokens: Ids and attention mask of the distinct captions, int64 (M, L) each.
            positive: bool (N, M), whether the caption is true of the image.
            noise: Seed of the augmentation.

        Returns:
            Loss, batch accuracy, learning rate and temperature.
        """
        training, rate = self._training, self._learning_rate()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        generator = torch.Generator().manual_seed(noise)
        pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        pixels = augment(pixels, generator, training.shift, training.jitter)
        mean, std = torch.tensor(self.mean).view(1, 3, 1, 1), torch.tensor(self.std).view(1, 3, 1, 1)
        pixels = ((pixels - mean) / std).contiguous(memory_format=torch.channels_last).to(self._device)
        ids, mask = tokens
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
            "batch_accuracy": positive[torch.arange(len(frames)), best].float().mean(),
            "learning_rate": rate,
            "temperature": 1 / self.model.logit_scale.detach().exp(),
        }

    def tokenized(self, captions: list[str], max_tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and attention mask, int64 (M, L) each.

        Raises:
            ConfigError: A caption is longer than `max_tokens`.
        """
        tokens = self.tokenizer(captions, padding=True, return_tensors="pt", verbose=False)
        if tokens["input_ids"].shape[1] > max_tokens:
            longest = captions[int(tokens["attention_mask"].sum(dim=1).argmax())]
            raise ConfigError(
                f"captions have up to {tokens['input_ids'].shape[1]} tokens (such as {longest!r}), but "
                f"model.max_tokens is {max_tokens}; raise it"
            )
        return tokens["input_ids"], tokens["attention_mask"]

    def save(self, path: Path, identity: str) -> None:
        """Write a checkpoint in one piece; `identity` names the training that it belongs to.

        Raises:
            OSError: The disk does not take it; the checkpoint before stays.
        """
        state = {
            "identity": identity,
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        # In memory first: where torch itself writes, a full disk is a RuntimeError of no clear words.
        data = io.BytesIO()
        torch.save(state, data)
        with written_whole(path) as partial:
            partial.write_bytes(data.getbuffer())

    def restore(self, path: Path, identity: str) -> None:
        """Go on from a checkpoint.

        Raises:
            ConfigError: It is damaged, or belongs to another training.
        """
        try:
            state = torch.load(path, map_location=self._device, weights_only=True)
            known, step = str(state["identity"]), int(state["step"])
        except Exception as error:  # whatever a damaged archive makes torch raise
            raise ConfigError(
                f"{path} is damaged ({type(error).__name__}): bring it back from a copy, or delete it to begin anew"
            ) from error
        if known != identity:
            raise ConfigError(f"{path} belongs to other settings or data; choose another run folder, or delete it")
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = step

    def _continue_from(self, name: str, size: ModelSize) -> None:
        """Take weights, tokenizer and channel statistics of a trained pocket CLIP."""
        checkpoint = Checkpoint.load(resolve_model(name))
        model, wanted = checkpoint.model, size.config(len(checkpoint.tokenizer))
        if not isinstance(model, PocketCLIPModel) or _shape(model.config) != _shape(wanted):
            raise ConfigError(
                f"training.start_from: {name!r} has another shape than the model settings; "
                "choose the preset that it was trained with"
            )
        self.model = model.requires_grad_(True)
        self.tokenizer = cast(PreTrainedTokenizerFast, checkpoint.tokenizer)
        self.mean, self.std = list(checkpoint.preprocessing.mean), list(checkpoint.preprocessing.std)

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


def _shape(config: Any) -> tuple[Any, ...]:
    vision, text = config.vision_config, config.text_config
    return (
        *(vision.embedding_size, tuple(vision.hidden_sizes), tuple(vision.depths), vision.layer_type),
        *(text.vocab_size, text.hidden_size, text.num_hidden_layers, text.num_attention_heads),
        *(text.max_position_embeddings, config.projection_dim),
    )


def _channel_statistics(dataset: RenderedDataset) -> tuple[list[float], list[float]]:
    rows = np.linspace(0, len(dataset.labels) - 1, min(500, len(dataset.labels))).astype(int)
    pixels = dataset.frames[rows].reshape(-1, 3).astype(np.float64) / 255
    return [round(float(v), 4) for v in pixels.mean(axis=0)], [round(float(v), 4) for v in pixels.std(axis=0)]
