"""What all encoders over a checkpoint share: its text tower, its identity, and how frames reach the image tower."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from vlm_rewards.encoders.checkpoint import Checkpoint
from vlm_rewards.encoders.checkpoint_tokenizer import without_panics
from vlm_rewards.encoders.encoder import Precision, TextReading, check_frames
from vlm_rewards.encoders.fingerprint import combined, fingerprint_parts
from vlm_rewards.encoders.passes import Passes
from vlm_rewards.encoders.proof.agreement import AgreementRecord
from vlm_rewards.encoders.quantised_graph import records_folder
from vlm_rewards.errors import CheckpointError, ConfigError

_TEXTS_PER_PASS = 64

# Two sentences that differ at their ends alone.
_ENDS = ("a photo of a dog", "a photo of a red")

# Shorter than either.
_SHORT = "a"

# Most difference of one number between embeddings of one sentence, alone and beside a longer one.
_TOGETHER = 1e-3

# Least difference of one number between embeddings of two sentences; those of packaged models differ by 0.01 and more.
_APART = 1e-6


class CheckpointEncoder(ABC):
    """Embeds with any checkpoint that `Checkpoint.load` accepts: CLIP, SigLIP, pocket CLIP.

    Texts run on torch. Images run wherever the subclass takes them, in passes of a few fixed sizes: memory does not
    grow with the request, and a frame's embedding does not depend on the frames beside it.

    Attributes:
        source: Hub id or folder.
        image_size: (height, width) in pixels.
        embedding_dim: D.
        parts: hex sha256 of weights, architecture, preprocessing and tokenizer, as stored.
        fingerprint: hex sha256 over the parts, the precision, and the runtime if it is not torch.
        precision: Precision of the image tower's arithmetic, `fp32`, `bf16` or `int8`.
        passes: How frames are cut up.
    """

    fingerprint: str
    precision: str
    passes: Passes

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        """Take a loaded checkpoint; its model is changed in place.

        A subclass settles the rest: `_prepare_towers`, `_identify` and `passes`.

        Args:
            checkpoint: As loaded.
            device: Device of the towers on torch.
        """
        self.source = checkpoint.source
        self.image_size = checkpoint.preprocessing.image_size
        with without_panics(checkpoint.source):
            self.parts = fingerprint_parts(checkpoint)
        self.embedding_dim = 0
        self._preprocessing = checkpoint.preprocessing
        self._device = device
        self._tokenizer: Any = checkpoint.tokenizer
        self._max_tokens = checkpoint.max_tokens
        # SigLIP was trained on texts of one fixed length and has no attention mask.
        self._fixed_length = checkpoint.model.config.model_type.startswith("siglip")
        # Any: transformers types its models as modules whose attributes may be tensors.
        self._model = cast(Any, checkpoint.model)

    @property
    def records(self) -> Path:
        """Folder in which the checkpoint's int8 tower and agreements lie."""
        return records_folder(self.source, self.parts)

    def agreeing(self, runtime: str, reward: str, graph: str = "") -> tuple[Precision, ...]:
        """Return the precisions whose rewards were found to agree with fp32's; see `AgreementRecord`.

        Args:
            runtime: `torch` or `openvino`.
            reward: `RewardConfig.agreement_key` of the reward in use; empty where it is not known.
            graph: hex sha256 of the int8 tower; empty where there is none.

        Raises:
            SelfCheckError: The record is damaged.
        """
        record = AgreementRecord.read(self.records)
        return record.passed(runtime, self.parts, graph, reward) if record else ()

    def _prepare_towers(self, dtype: torch.dtype) -> None:
        """Bring the towers on torch to where and how they compute.

        Args:
            dtype: Type of their weights.
        """
        if hasattr(self._model, "fold_for_inference"):
            self._model.fold_for_inference()
        self._model.to(device=self._device, dtype=dtype, memory_format=torch.channels_last)

    def _identify(self, precision: str, identity: dict[str, str]) -> None:
        """Say what it computes with.

        Args:
            precision: To report.
            identity: What the fingerprint covers beside the checkpoint's parts.
        """
        self.precision = precision
        self.fingerprint = combined({**self.parts, **identity})

    @abstractmethod
    def _embed_pass(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed one pass, uint8 (n, H, W, 3), to float32 (n, D) of length 1."""

    def _image_dim(self) -> int:
        """Embed one frame and say to how many numbers."""
        result: int = self._embed_pass(np.zeros((1, *self.image_size, 3), np.uint8)).shape[1]
        return result

    def _check_towers(self, image_dim: Callable[[], int]) -> None:
        """Run both towers once and learn D.

        Args:
            image_dim: Runs the image tower and returns its D.

        Raises:
            CheckpointError: They do not run together with the image processor and tokenizer.
        """
        try:
            self.embedding_dim = image_dim()
            texts = self.embed_texts(_ENDS)
            alone, beside = self.embed_texts([_SHORT])[0], self.embed_texts([_SHORT, _ENDS[0]])[0]
            # The longest text there is has to run too.
            self._embed_tokens(self._longest_text())
        except CheckpointError:
            raise
        except Exception as error:  # what towers raise on inputs that do not fit them is of every kind
            reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
            raise CheckpointError(f"the towers of {self.source} do not run on their own inputs: {reason}") from error
        if texts.shape[1] != self.embedding_dim:
            raise CheckpointError(
                f"the towers of {self.source} give embeddings of {self.embedding_dim} and {texts.shape[1]} numbers; "
                "use a checkpoint with one shared space"
            )
        if np.abs(alone - beside).max() > _TOGETHER:
            raise CheckpointError(
                f"the text tower of {self.source} reads a sentence otherwise beside a longer one; the padding in its "
                "tokenizer_config.json is not its own: restore the folder's files"
            )
        first, second = (reading.tokens for reading in self.read_texts(_ENDS))
        if first != second and np.abs(texts[0] - texts[1]).max() < _APART:
            raise CheckpointError(
                f"the text tower of {self.source} gives texts with different ends the same embedding; its tokenizer or "
                "config.json is not its own: restore the folder's files"
            )

    def embed_images(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed uint8 (N, H, W, 3) to float32 (N, D); see `Encoder.embed_images`."""
        check_frames(frames)
        return self.passes(frames) if len(frames) else np.zeros((0, self.embedding_dim), np.float32)

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed M strings to float32 (M, D); see `Encoder.embed_texts`.

        Raises:
            ConfigError: A text is longer than the text tower reads. Cutting it could make two prompts the same.
        """
        passes = [
            self._embed_text_pass(list(texts[i : i + _TEXTS_PER_PASS])) for i in range(0, len(texts), _TEXTS_PER_PASS)
        ]
        return np.concatenate(passes) if passes else np.zeros((0, self.embedding_dim), np.float32)

    def read_texts(self, texts: Sequence[str]) -> list[TextReading]:
        """Return what the tokenizer makes of each text; see `ReadsTexts.read_texts`."""
        if not texts:
            return []
        whole = self._tokenized(list(texts))["input_ids"]
        words = self._tokenized(list(texts), add_special_tokens=False)["input_ids"]
        unknown = self._tokenizer.unk_token_id
        return [TextReading(tuple(all_), len(own), own.count(unknown)) for all_, own in zip(whole, words, strict=True)]

    def _embed_text_pass(self, texts: list[str]) -> npt.NDArray[np.float32]:
        padding: dict[str, Any] = (
            {"padding": "max_length", "max_length": self._max_tokens} if self._fixed_length else {"padding": True}
        )
        tokens = self._tokenized(texts, return_tensors="pt", return_attention_mask=True, **padding)
        longest = tokens["input_ids"].shape[1]
        if longest > self._max_tokens:
            lengths = [len(ids) for ids in self._tokenized(texts)["input_ids"]]
            text = texts[int(np.argmax(lengths))]
            raise ConfigError(
                f"the prompt {text[:60]!r}... has {longest} tokens, but {self.source} reads {self._max_tokens}; "
                "shorten it"
            )
        return self._embed_tokens(tokens)

    def _tokenized(self, texts: str | list[str], **options: Any) -> Any:
        with without_panics(self.source):
            return self._tokenizer(texts, verbose=False, **options)

    def _longest_text(self) -> dict[str, torch.Tensor]:
        """Return as many tokens as the text tower reads, special ones at both ends as in any text."""
        start, *middle, end = self._tokenized("a")["input_ids"] * 2
        ids = torch.tensor([[start, *middle[:1] * (self._max_tokens - 2), end][: self._max_tokens]])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def _embed_tokens(self, tokens: Mapping[str, torch.Tensor]) -> npt.NDArray[np.float32]:
        inputs = {"input_ids": tokens["input_ids"].to(self._device)}
        if not self._fixed_length:
            inputs["attention_mask"] = tokens["attention_mask"].to(self._device)
        with torch.inference_mode():
            return unit_rows(self._model.get_text_features(**inputs)).cpu().numpy()


def unit_rows(features: object) -> torch.Tensor:
    """Return what a tower gives, a tensor or transformers' output object, as float32 (N, D) of length 1."""
    tensor = getattr(features, "pooler_output", features)
    assert isinstance(tensor, torch.Tensor)
    return torch.nn.functional.normalize(tensor.float(), dim=-1)
