"""Texts of callers' own, embedded beside the frames of a training without holding it up."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vlm_rewards.encoders import Encoder, ReadsTexts
from vlm_rewards.errors import NonFiniteRewardError, RewardOverloadedError, RewardServiceError, VLMRewardsError
from vlm_rewards.service.schema import TextResult, check_texts_request

# Texts of one forward. Frames wait for at most one forward of texts, so this is short beside a batch of them.
_MOST_AT_ONCE = 16

# Texts that a replica remembers: 20 MiB of the widest encoder's embeddings.
_MOST_KEPT = 4096

# Requests for texts that may wait in a replica; people type them, programs name their goals in a task set.
_MOST_WAITING = 8

# An embedding and how many words, and how many unknown ones, its text has.
_Read = tuple[npt.NDArray[np.float32], int, int]


class OnModelThread(Protocol):
    """Runs work where the model is at home."""

    def __call__(self, work: Callable[[], list[_Read]]) -> Awaitable[list[_Read]]:
        """Run it there and return what it returns."""
        ...


def embed_texts(encoder: Encoder, texts: Sequence[str]) -> TextResult:
    """Embed texts at once, in the thread that calls.

    Raises:
        ConfigError: Too many texts, or one that is blank or too long.
        NonFiniteRewardError: An embedding is not finite.
    """
    check_texts_request(texts)
    return _result(encoder, _read(encoder, texts))


class TextReader:
    """Embeds texts of callers in a replica: each once, a few at a time, one request after another.

    Between two of its forwards the frames that wait have their turn, so a training beside it is slowed down by at most
    one short forward of texts a batch, however many texts somebody sends. It is used on one event loop.
    """

    def __init__(self, encoder: Encoder, on_model_thread: OnModelThread) -> None:
        """Make a reader that has read nothing.

        Args:
            encoder: Embeds the texts.
            on_model_thread: Runs the encoder.
        """
        self._encoder = encoder
        self._on_model_thread = on_model_thread
        self._kept: OrderedDict[str, _Read] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def embed(self, texts: Sequence[str]) -> TextResult:
        """Embed texts.

        Args:
            texts: M texts.

        Raises:
            ConfigError: Too many texts, or one that is blank or too long.
            RewardOverloadedError: Too many requests of this kind wait.
            NonFiniteRewardError: An embedding is not finite.
            RewardServiceError: The model failed.
        """
        check_texts_request(texts)
        if self._waiting >= _MOST_WAITING:
            raise RewardOverloadedError(
                f"the replica refuses texts because {self._waiting} requests for texts wait already; send them again "
                "in a moment, or name fixed goals in a task set"
            )
        self._waiting += 1
        try:
            async with self._turn:
                return await self._embed(texts)
        finally:
            self._waiting -= 1

    async def _embed(self, texts: Sequence[str]) -> TextResult:
        distinct = dict.fromkeys(texts)
        found = {text: self._kept[text] for text in distinct if text in self._kept}
        missing = [text for text in distinct if text not in found]
        for start in range(0, len(missing), _MOST_AT_ONCE):
            piece = missing[start : start + _MOST_AT_ONCE]
            try:
                read = await self._on_model_thread(partial(_read, self._encoder, piece))
                found.update(zip(piece, read, strict=True))
            except VLMRewardsError:
                raise
            except Exception as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise RewardServiceError(f"the reward model failed at a text ({reason}); send other texts") from error
        result = _result(self._encoder, [found[text] for text in texts])
        for text in distinct:
            self._kept[text] = found[text]
            self._kept.move_to_end(text)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return result


def _read(encoder: Encoder, texts: Sequence[str]) -> list[_Read]:
    if not texts:
        return []
    embeddings = encoder.embed_texts(texts)
    if not isinstance(encoder, ReadsTexts):
        return [(row, -1, -1) for row in embeddings]
    readings = encoder.read_texts(texts)
    return [(row, reading.words, reading.unknown) for row, reading in zip(embeddings, readings, strict=True)]


def _result(encoder: Encoder, read: Sequence[_Read]) -> TextResult:
    rows = [row for row, _, _ in read]
    embeddings = np.stack(rows) if rows else np.zeros((0, encoder.embedding_dim), np.float32)
    if not np.isfinite(embeddings).all():
        raise NonFiniteRewardError(
            f"{int((~np.isfinite(embeddings)).any(axis=1).sum())} of {len(embeddings)} text embeddings are not finite; "
            "check the served model's weights and precision"
        )
    if not isinstance(encoder, ReadsTexts):
        return TextResult(embeddings, encoder.fingerprint)
    return TextResult(
        embeddings, encoder.fingerprint, tuple(words for _, words, _ in read), tuple(unknown for *_, unknown in read)
    )
