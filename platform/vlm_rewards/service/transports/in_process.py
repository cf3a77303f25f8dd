"""Rewards without a service."""

import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_rewards.embedding_cache import EmbeddingCache
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardDescription, RewardModel
from vlm_rewards.service.schema import EmbedResult, ScoreResult, TextResult
from vlm_rewards.service.texts import embed_texts


@dataclass(frozen=True)
class ModelSource:
    """What a process needs to load a reward model of its own: settings, no weights.

    Attributes:
        reward: What to compute.
        task_set: The goals.
        torch_threads: Threads of one forward, whatever the process does else.
        cache_mb: Memory in MiB for embeddings of frames seen before; 0 keeps none.
    """

    reward: RewardConfig
    task_set: TaskSet
    torch_threads: int = 1
    cache_mb: int = 0

    def load(self) -> RewardModel:
        """Load the model; see `RewardModel`."""
        cache = EmbeddingCache(self.cache_mb * 2**20) if self.cache_mb else None
        return RewardModel(self.reward, self.task_set, cache=cache)


class _Loaded:
    """A model of this process, used by one thread at a time and with its own number of threads."""

    def __init__(self, model: RewardModel | ModelSource) -> None:
        self._lock = threading.Lock()
        # A model that the caller has loaded keeps to what the process does.
        self._threads = model.torch_threads if isinstance(model, ModelSource) else None
        if isinstance(model, ModelSource):
            if model.reward.model != "fake":  # which does without torch
                import torch  # noqa: F401 for `at_work` to set its threads before loading: pass sizes depend on them
            with self.at_work():
                self.model = model.load()
        else:
            self.model = model

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have the model to oneself. A learner in the same process gets its threads back."""
        with self._lock:
            torch = sys.modules.get("torch")
            before = torch.get_num_threads() if torch is not None else 0
            if torch is None or self._threads in (None, before):
                yield
                return
            torch.set_num_threads(self._threads)
            try:
                yield
            finally:
                torch.set_num_threads(before)


# By what they were loaded from, for as long as somebody uses them: a driver that describes a reward, trains on it and
# films it holds its weights once.
_LOADED: "weakref.WeakValueDictionary[ModelSource, _Loaded]" = weakref.WeakValueDictionary()
_LOADING = threading.Lock()


class InProcessTransport:
    """Calls a reward model in this process: for runs without a service, notebooks and tests.

    Given a `ModelSource`, each process loads the model with its first request, and all transports of one source share
    it. A forward cannot be interrupted, so timeouts have no effect here.
    """

    def __init__(self, model: RewardModel | ModelSource) -> None:
        """Take a model, or what to load one from.

        Args:
            model: A loaded model travels to other processes with its weights, a source without any.
        """
        self._source = model
        self._loaded: _Loaded | None = _Loaded(model) if isinstance(model, RewardModel) else None

    def connect(self, timeout_s: float) -> None:
        """Load the model, if that is still to be done."""
        self._ready()

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Score frames; see `Transport.score`."""
        loaded = self._ready()
        with loaded.at_work():
            return ScoreResult(loaded.model.score(frames, goal_ids), loaded.model.fingerprint)

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Score each frame against each goal; see `Transport.score_all`."""
        loaded = self._ready()
        with loaded.at_work():
            return ScoreResult(loaded.model.score_all(frames, goal_ids), loaded.model.fingerprint)

    def embed(self, frames: npt.NDArray[np.uint8], timeout_s: float) -> EmbedResult:
        """Embed frames; see `Transport.embed`."""
        loaded = self._ready()
        with loaded.at_work():
            return EmbedResult(loaded.model.embed(frames), loaded.model.encoder.fingerprint)

    def embed_texts(self, texts: Sequence[str], timeout_s: float) -> TextResult:
        """Embed texts; see `Transport.embed_texts`."""
        loaded = self._ready()
        with loaded.at_work():
            return embed_texts(loaded.model.encoder, texts)

    def describe(self, timeout_s: float) -> RewardDescription:
        """Return the model's description."""
        return self._ready().model.describe()

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            assert isinstance(self._source, ModelSource)
            with _LOADING:
                self._loaded = _LOADED.get(self._source) or _LOADED.setdefault(self._source, _Loaded(self._source))
        return self._loaded

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self._source}

    def __setstate__(self, state: dict[str, Any]) -> None:
        InProcessTransport.__init__(self, **state)
