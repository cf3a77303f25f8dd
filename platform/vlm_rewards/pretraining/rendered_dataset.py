"""Captioned images rendered once to disk, then read as often as training wants."""

import json
import multiprocessing
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.caption_source import import_source, source_fingerprint
from vlm_rewards.pretraining.wording import check_wording
from vlm_rewards.unbroken import unbroken
from vlm_rewards.whole_files import written_whole

_CHUNK = 500


@dataclass(frozen=True)
class RenderSpec:
    """What a rendered dataset holds; equal specs give equal bytes.

    Attributes:
        source: `package.module:function` of a `CaptionSource`.
        count: Images.
        height: Height in pixels.
        width: Width in pixels.
        seed: Image i is drawn from a generator seeded by (seed, i), so neither chunks nor workers matter.
        options: Further keyword arguments of the source.
    """

    source: str
    count: int
    height: int
    width: int
    seed: int
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RenderedDataset:
    """Images on disk, captions in memory.

    Attributes:
        frames: uint8 (N, H, W, 3), memory-mapped, read-only.
        captions: Each distinct caption once.
        caption_ids: N tuples of indices into `captions`.
        labels: N.
    """

    frames: npt.NDArray[np.uint8]
    captions: tuple[str, ...]
    caption_ids: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]

    @classmethod
    def render(
        cls, spec: RenderSpec, folder: Path, workers: int = 0, on_progress: Callable[[int], None] | None = None
    ) -> "RenderedDataset":
        """Render what `folder` lacks of `spec`, and open it.

        Args:
            spec: What to render.
            folder: Kept if it holds a part of the same data, emptied otherwise.
            workers: Processes; 0 renders in this one.
            on_progress: Called with the number of images that exist.

        Raises:
            ConfigError: Unusable source, or captions worded as tasks.
        """
        meta = {**asdict(spec), "fingerprint": source_fingerprint(spec.source, spec.options, spec.height, spec.width)}
        if not _matches(folder, meta):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            shape = (spec.count, spec.height, spec.width, 3)
            np.lib.format.open_memmap(folder / "frames.npy", mode="w+", dtype=np.uint8, shape=shape).flush()
            (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        missing = [start for start in range(0, spec.count, _CHUNK) if _rows(folder, start) is None]
        done = spec.count - sum(min(_CHUNK, spec.count - start) for start in missing)

        def advance(start: int) -> None:
            nonlocal done
            done += min(_CHUNK, spec.count - start)
            if on_progress:
                on_progress(done)

        if workers == 0:
            for start in missing:
                _render_chunk(spec, folder, start)
                advance(start)
        elif missing:
            # Spawned, not forked: a forked copy of torch's thread pool may hang.
            with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
                try:
                    with unbroken():
                        jobs = {pool.submit(_render_chunk, spec, folder, start): start for start in missing}
                    for job in as_completed(jobs):
                        job.result()
                        advance(jobs[job])
                except BaseException:
                    # The chunks that are begun end, and are kept; the rest would have to be waited for.
                    pool.shutdown(cancel_futures=True)
                    raise
        return cls.load(folder, spec.count)

    @classmethod
    def load(cls, folder: Path, count: int) -> "RenderedDataset":
        """Open a complete dataset."""
        rows: list[dict[str, Any]] = []
        for start in range(0, count, _CHUNK):
            rows.extend(_rows(folder, start) or ())
        captions = sorted({caption for row in rows for caption in row["captions"]})
        check_wording(captions)
        index = {caption: i for i, caption in enumerate(captions)}
        return cls(
            frames=np.load(folder / "frames.npy", mmap_mode="r"),
            captions=tuple(captions),
            caption_ids=tuple(tuple(index[caption] for caption in row["captions"]) for row in rows),
            labels=tuple(row["label"] for row in rows),
        )

    def usual_captions(self) -> dict[str, str]:
        """Return for each label the caption that most of its images share (ties: the first in the alphabet)."""
        counts: dict[str, Counter[int]] = {}
        for label, ids in zip(self.labels, self.caption_ids, strict=True):
            counts.setdefault(label, Counter()).update(set(ids))
        return {
            label: self.captions[min(counter, key=lambda i: (-counter[i], i))]
            for label, counter in sorted(counts.items())
        }


def _matches(folder: Path, meta: dict[str, Any]) -> bool:
    try:
        shape = np.load(folder / "frames.npy", mmap_mode="r").shape
        found = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, EOFError):  # missing or damaged: all is drawn again
        return False
    return bool(found == meta and shape == (meta["count"], meta["height"], meta["width"], 3))


def _rows(folder: Path, start: int) -> list[dict[str, Any]] | None:
    """Return what is known of the images of a chunk; None where it is not there, or not whole."""
    try:
        rows = json.loads(_chunk_file(folder, start).read_text(encoding="utf-8"))
        return [{"captions": list(row["captions"]), "label": str(row["label"])} for row in rows]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _chunk_file(folder: Path, start: int) -> Path:
    return folder / f"captions-{start:08d}.json"


def _render_chunk(spec: RenderSpec, folder: Path, start: int) -> None:
    source = import_source(spec.source, spec.options)
    frames = np.lib.format.open_memmap(folder / "frames.npy", mode="r+")
    rows = []
    for index in range(start, min(start + _CHUNK, spec.count)):
        drawn = source(np.random.default_rng([spec.seed, index]), spec.height, spec.width)
        if drawn.frame.dtype != np.uint8 or drawn.frame.shape != (spec.height, spec.width, 3) or not drawn.captions:
            raise ConfigError(
                f"{spec.source} gave {drawn.frame.dtype} {drawn.frame.shape} with {len(drawn.captions)} captions; "
                f"it must give uint8 ({spec.height}, {spec.width}, 3) and at least one caption"
            )
        frames[index] = drawn.frame
        rows.append({"captions": list(drawn.captions), "label": drawn.label})
    check_wording(caption for row in rows for caption in row["captions"])
    frames.flush()
    # Renamed into place last: a chunk file stands for images that are complete.
    with written_whole(_chunk_file(folder, start)) as partial:
        partial.write_text(json.dumps(rows), encoding="utf-8")
