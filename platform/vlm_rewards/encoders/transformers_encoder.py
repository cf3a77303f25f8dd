"""A frozen CLIP-family model run by transformers on torch."""

import functools
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from vlm_rewards.encoders.checkpoint import Checkpoint
from vlm_rewards.encoders.encoder import Precision, check_frames
from vlm_rewards.encoders.fingerprint import combined, fingerprint_parts
from vlm_rewards.errors import CheckpointError, ConfigError

_IMAGES_PER_PASS = 64
_TEXTS_PER_PASS = 64


class TransformersEncoder:
    """Embeds with any checkpoint that `Checkpoint.load` accepts: CLIP, SigLIP, pocket CLIP.

    Calls are read-only on the model, so threads may share one. Work is cut into passes of at most 64 images: memory
    does not grow with the request.

    Attributes:
        source: hub id or folder.
        image_size: (height, width) in pixels.
        embedding_dim: D.
        parts: hex sha256 of weights, architecture, preprocessing and tokenizer, as stored.
        fingerprint: hex sha256 over the parts and the precision.
        precision: of the towers' arithmetic.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu", precision: Precision = "fp32") -> None:
        """Prepares a loaded checkpoint for inference; its model is changed in place.

        Raises:
            ConfigError: a device or precision that this machine lacks.
            CheckpointError: its towers do not run together with its image processor and tokenizer.
        """
        self.source = checkpoint.source
        self.precision: str = precision
        self.image_size = checkpoint.preprocessing.image_size
        self.parts = fingerprint_parts(checkpoint)
        self.fingerprint = combined({**self.parts, "precision": precision})
        self._device = _usable_device(device)
        self._dtype = _usable_dtype(precision, self._device)
        self._preprocessing = checkpoint.preprocessing
        self._tokenizer: Any = checkpoint.tokenizer
        self._max_tokens = checkpoint.max_tokens
        # SigLIP was trained on texts of one fixed length and has no attention mask.
        self._fixed_length = checkpoint.model.config.model_type.startswith("siglip")
        # Any: transformers types its models as modules whose attributes may be tensors.
        self._model = cast(Any, checkpoint.model)
        if hasattr(self._model, "fold_for_inference"):
            self._model.fold_for_inference()
        self._model.to(device=self._device, dtype=self._dtype, memory_format=torch.channels_last)
        try:
            self.embedding_dim = self.embed_images(np.zeros((1, *self.image_size, 3), np.uint8)).shape[1]
            texts = self.embed_texts(["a"])
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(f"the towers of {self.source} do not run on their own inputs: {reason}") from error
        if texts.shape[1] != self.embedding_dim:
            raise CheckpointError(
                f"the towers of {self.source} give embeddings of {self.embedding_dim} and {texts.shape[1]} numbers; "
                "use a checkpoint with one shared space"
            )

    def embed_images(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embeds uint8 (N, H, W, 3) to float32 (N, D); see `Encoder.embed_images`.

        A row's rounding (near 1e-6 in fp32) may depend on how many frames share its pass, since torch picks its kernels
        by batch size.
        """
        check_frames(frames)
        passes = [self._embed_pass(frames[i : i + _IMAGES_PER_PASS]) for i in range(0, len(frames), _IMAGES_PER_PASS)]
        return np.concatenate(passes) if passes else np.zeros((0, self.embedding_dim), np.float32)

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embeds M strings to float32 (M, D); see `Encoder.embed_texts`.

        Raises:
            ConfigError: a text is longer than the text tower reads. Cutting it could make two prompts the same.
        """
        passes = [
            self._embed_text_pass(list(texts[i : i + _TEXTS_PER_PASS])) for i in range(0, len(texts), _TEXTS_PER_PASS)
        ]
        return np.concatenate(passes) if passes else np.zeros((0, self.embedding_dim), np.float32)

    def _embed_pass(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            pixels = self._preprocessing(frames, self._device).to(self._dtype)
            return _normalised(self._model.get_image_features(pixel_values=pixels))

    def _embed_text_pass(self, texts: list[str]) -> npt.NDArray[np.float32]:
        padding: dict[str, Any] = (
            {"padding": "max_length", "max_length": self._max_tokens} if self._fixed_length else {"padding": True}
        )
        tokens = self._tokenizer(texts, return_tensors="pt", return_attention_mask=True, verbose=False, **padding)
        longest = tokens["input_ids"].shape[1]
        if longest > self._max_tokens:
            lengths = [len(ids) for ids in self._tokenizer(texts, verbose=False)["input_ids"]]
            text = texts[int(np.argmax(lengths))]
            raise ConfigError(
                f"the prompt {text[:60]!r}... has {longest} tokens, but {self.source} reads {self._max_tokens}; "
                "shorten it"
            )
        inputs = {"input_ids": tokens["input_ids"].to(self._device)}
        if not self._fixed_length:
            inputs["attention_mask"] = tokens["attention_mask"].to(self._device)
        with torch.inference_mode():
            return _normalised(self._model.get_text_features(**inputs))


def _normalised(features: object) -> npt.NDArray[np.float32]:
    tensor = getattr(features, "pooler_output", features)
    assert isinstance(tensor, torch.Tensor)
    return torch.nn.functional.normalize(tensor.float(), dim=-1).cpu().numpy()


def _usable_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"device {name!r} cannot be used here ({str(error).splitlines()[0]}); try 'cpu'") from error
    return device


def _usable_dtype(precision: str, device: torch.device) -> torch.dtype:
    if precision == "fp32":
        return torch.float32
    if precision != "bf16":
        raise ConfigError(f"unknown precision {precision!r}; use 'fp32' or 'bf16'")
    if device.type == "cpu" and not cpu_runs_bf16():
        raise ConfigError(
            "this processor announces AMX but dies of it (bf16 would end the process); "
            "use precision 'fp32', or set the environment variable ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 before starting"
        )
    return torch.bfloat16


@functools.cache
def cpu_runs_bf16() -> bool:
    """Tries a bf16 product in a process of its own: some virtual machines announce AMX and then trap on it."""
    if not torch.cpu._is_amx_tile_supported():
        return True
    trial = "import torch; a = torch.ones(64, 64, dtype=torch.bfloat16); print(float((a @ a).sum()))"
    done = subprocess.run([sys.executable, "-c", trial], capture_output=True, env=os.environ.copy(), check=False)
    return done.returncode == 0
