"""Captioned images that are rendered while a model trains on them, and never seen twice or written to disk."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError, VLMRewardsError
from vlm_rewards.pretraining.caption_source import contrasts_of, import_source
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset
from vlm_rewards.pretraining.wording import check_wording
from vlm_rewards.unbroken import unbroken

# Seconds between two looks at whether the other side still lives.
_PATIENCE = 1.0
# Of the generators of a corpus: none of its images is in the stream.
_CORPUS = 5


@dataclass(frozen=True)
class StreamSpec:
    """What a stream holds; equal specs give equal batches.

    Attributes:
        source: `package.module:function` of a `CaptionSource`.
        height: Height of the images, pixels.
        width: Width of the images, pixels.
        seed: Image i is drawn from a generator seeded by (seed, i), whichever process draws it.
        batch_size: Images a batch; batch k holds images k * batch_size onwards.
        options: Further keyword arguments of the source.
    """

    source: str
    height: int
    width: int
    seed: int
    batch_size: int
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CaptionedBatch:
    """Images that are trained on together.

    Attributes:
        frames: uint8 (N, H, W, 3).
        captions: N tuples of true captions, one at least each.
        contrasts: N tuples of pairs of a true caption and a false one.
        labels: N.
    """

    frames: npt.NDArray[np.uint8]
    captions: tuple[tuple[str, ...], ...]
    contrasts: tuple[tuple[tuple[str, str], ...], ...]
    labels: tuple[str, ...]


def render_batch(spec: StreamSpec, batch: int) -> CaptionedBatch:
    """Render a batch of a stream in this process.

    Raises:
        ConfigError: The source cannot be used, or its captions are worded as tasks.
    """
    first = batch * spec.batch_size
    return _render(spec, [[spec.seed, index] for index in range(first, first + spec.batch_size)])


def render_corpus(spec: StreamSpec, count: int) -> RenderedDataset:
    """Render images like those of a stream and none of them, for vocabulary and statistics.

    Args:
        spec: Spec of the stream.
        count: Images.

    Raises:
        ConfigError: As for `render_batch`.
    """
    drawn = _render(spec, [[spec.seed, index, _CORPUS] for index in range(count)])
    said = {caption for each in drawn.captions for caption in each}
    said |= {caption for each in drawn.contrasts for pair in each for caption in pair}
    captions = tuple(sorted(said))
    index = {caption: i for i, caption in enumerate(captions)}
    ids = tuple(tuple(index[caption] for caption in each) for each in drawn.captions)
    return RenderedDataset(drawn.frames, captions, ids, drawn.labels)


class RenderedStream:
    """The batches of a stream in order, rendered ahead by worker processes.

    Use it as a context manager: the workers end with it, and also where this process dies without a word.
    """

    def __init__(self, spec: StreamSpec, start: int = 0, workers: int = 1, ahead: int = 4) -> None:
        """Start the workers.

        Args:
            spec: What to render.
            start: First batch to give, such as the step at which a training resumes.
            workers: Processes; 0 renders each batch in this one when it is asked for.
            ahead: Most batches that wait in memory, by worker.
        """
        self._spec, self._next, self._closed = spec, start, False
        # Spawned, not forked: a forked copy of torch's thread pool may hang.
        context = multiprocessing.get_context("spawn")
        self._queues: list[Any] = [context.Queue(ahead) for _ in range(workers)]
        self._workers = [
            context.Process(
                target=_work,
                args=(spec, start + number, workers, waiting, os.getpid()),
                daemon=True,
                name=f"rendering {number}",
            )
            for number, waiting in enumerate(self._queues)
        ]
        self._order = deque(zip(self._workers, self._queues, strict=True))
        with unbroken():
            for worker in self._workers:
                worker.start()

    def __enter__(self) -> RenderedStream:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the workers."""
        self.close()

    def __iter__(self) -> Iterator[CaptionedBatch]:
        """Give batch after batch, without end."""
        while True:
            yield self.take()

    def take(self) -> CaptionedBatch:
        """Return the next batch, waiting for it if need be.

        Raises:
            ConfigError: The source cannot be used, or its captions are worded as tasks.
            VLMRewardsError: A worker ended, or the stream is closed.
        """
        if self._closed:
            raise VLMRewardsError("the stream of renderings is closed; make a new one")
        batch, self._next = self._next, self._next + 1
        if not self._workers:
            return render_batch(self._spec, batch)
        # Each worker renders every nth batch, so taking from them in turn gives all of them in order.
        worker, waiting = self._order[0]
        self._order.rotate(-1)
        while True:
            try:
                given = waiting.get(timeout=_PATIENCE)
                break
            except queue.Empty:
                if not worker.is_alive() and waiting.empty():
                    raise VLMRewardsError(
                        f"the process that renders images ended with exit code {worker.exitcode}; its own message is "
                        "above; run the command again to continue"
                    ) from None
        if isinstance(given, Exception):
            raise given
        rendered: CaptionedBatch = given
        return rendered

    def close(self) -> None:
        """End the workers; safe to call twice."""
        self._closed = True
        for worker in self._workers:
            worker.terminate()
        for worker, waiting in zip(self._workers, self._queues, strict=True):
            worker.join()
            waiting.cancel_join_thread()
            waiting.close()
        self._workers, self._queues = [], []
        self._order.clear()


def _work(spec: StreamSpec, first: int, every: int, waiting: Any, parent: int) -> None:
    """Render batches `first`, `first + every`, ... until the process that wants them is gone."""
    batch = first
    while True:
        try:
            made: CaptionedBatch | Exception = render_batch(spec, batch)
        except VLMRewardsError as error:
            made = error
        while True:
            if os.getppid() != parent:
                waiting.cancel_join_thread()
                return
            try:
                waiting.put(made, timeout=_PATIENCE)
                break
            except queue.Full:
                continue
        if isinstance(made, Exception):
            return
        batch += every


def _render(spec: StreamSpec, seeds: list[list[int]]) -> CaptionedBatch:
    source = import_source(spec.source, spec.options)
    frames = np.empty((len(seeds), spec.height, spec.width, 3), np.uint8)
    captions, contrasts, labels = [], [], []
    for row, seed in enumerate(seeds):
        try:
            drawn = source(np.random.default_rng(seed), spec.height, spec.width)
        except TypeError as error:
            raise ConfigError(
                f"caption source {spec.source!r} cannot be called ({error}); check its options"
            ) from error
        if drawn.frame.shape != frames.shape[1:] or drawn.frame.dtype != np.uint8 or not drawn.captions:
            raise ConfigError(
                f"{spec.source} gave {drawn.frame.dtype} {drawn.frame.shape} with {len(drawn.captions)} captions; "
                f"it must give uint8 {frames.shape[1:]} and at least one caption"
            )
        frames[row] = drawn.frame
        captions.append(tuple(drawn.captions))
        contrasts.append(contrasts_of(drawn))
        labels.append(drawn.label)
    check_wording({caption for each in captions for caption in each})
    check_wording({false for each in contrasts for _, false in each})
    return CaptionedBatch(frames, tuple(captions), tuple(contrasts), tuple(labels))
