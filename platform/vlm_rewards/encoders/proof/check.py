"""Compares an encoder with its record, or with common sense where there is none."""

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlm_rewards.encoders.proof.record import Checkable, SelfCheckRecord, similarities
from vlm_rewards.errors import SelfCheckError

__all__ = ["SANITY_TEXTS", "Checkable", "check_encoder", "sanity_frames"]

_LOG = logging.getLogger(__name__)

# Largest difference of a cosine from the recorded one, by precision.
_TOLERANCE = {"fp32": 2e-3, "bf16": 3e-2, "int8": 5e-2}

# Pairs differ in their first, middle or last word alone: a text tower that pools at the wrong place gives some of them
# the same embedding.
SANITY_TEXTS = (
    "a red square on a white background",
    "a blue square on a white background",
    "a red circle on a white background",
    "a red square on a white table",
    "the red square on a white background",
)


def check_encoder(encoder: Checkable, folder: Path | None) -> None:
    """Let an encoder prove that it is what it was.

    With a record (`self_check.json`): every part must hash as recorded, and every known cosine must come out again.
    Without: embeddings of known images and texts must be finite, of length 1, and differ from one another.

    Args:
        encoder: As loaded.
        folder: Its checkpoint folder; None for a hub model.

    Raises:
        SelfCheckError: Says what differs.
    """
    record = SelfCheckRecord.read(folder) if folder else None
    if record is None or folder is None:
        _check_sanity(encoder)
        _LOG.info("%s has no %s; sanity checks passed, parts %s", encoder.source, "self_check.json", encoder.parts)
        return
    changed = sorted(name for name, value in record.parts.items() if encoder.parts.get(name) != value)
    advice = "restore the folder, or record it anew with `python -m vlm_rewards.self_check record` if you changed it"
    measured = similarities(encoder, record.frames(folder), record.texts)
    expected = np.asarray(record.similarities)
    worst = np.unravel_index(np.nanargmax(np.abs(measured - expected)), expected.shape)
    where = f"image {record.images[worst[0]]} against {record.texts[worst[1]]!r}"
    numbers = f"{measured[worst]:.4f} where {expected[worst]:.4f} was recorded ({where})"
    if changed:
        raise SelfCheckError(
            f"{encoder.source} is not the model it was: its {', '.join(changed)} differ from the record, "
            f"largest change of a cosine: {numbers}; {advice}"
        )
    # Written so that NaN fails.
    if not np.all(np.abs(measured - expected) <= _TOLERANCE[encoder.precision]):
        raise SelfCheckError(
            f"{encoder.source} has its recorded files but computes something else in {encoder.precision}: "
            f"{numbers}; check the versions of torch and transformers, or {advice}"
        )


def sanity_frames(height: int, width: int) -> list[npt.NDArray[np.uint8]]:
    """Draw known images, each uint8 (height, width, 3): a square, a circle, stripes and a gradient."""
    rows, columns = np.mgrid[0:height, 0:width]
    y, x = (rows + 0.5) / height - 0.5, (columns + 0.5) / width - 0.5
    square = (np.abs(y) < 0.25) & (np.abs(x) < 0.25)
    circle = y**2 + x**2 < 0.09
    stripes = (x * 8) % 2 < 1

    def painted(mask: npt.NDArray[np.bool_], colour: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
        return np.where(mask[..., None], np.array(colour, np.uint8), np.uint8(255)).astype(np.uint8)

    gradient = np.stack([(y + 0.5) * 255, (x + 0.5) * 255, np.full_like(x, 128)], axis=-1).astype(np.uint8)
    return [
        painted(square, (220, 30, 30)),
        painted(square, (30, 30, 220)),
        painted(circle, (220, 30, 30)),
        painted(stripes, (20, 120, 20)),
        gradient,
    ]


def _check_sanity(encoder: Checkable) -> None:
    images = encoder.embed_images(np.stack(sanity_frames(*encoder.image_size)))
    texts = encoder.embed_texts(SANITY_TEXTS)
    for what, embeddings in (("images", images), ("texts", texts)):
        if not np.isfinite(embeddings).all():
            raise SelfCheckError(
                f"{encoder.source} gives embeddings of {what} that are not finite in {encoder.precision}; "
                "its weights are damaged: restore them, or try precision 'fp32'"
            )
        lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1)
        if np.abs(lengths - 1).max() > 1e-3:
            raise SelfCheckError(f"{encoder.source} gives embeddings of {what} of length {lengths.max():.3f}, not 1")
        gaps = np.linalg.norm(embeddings[:, None].astype(np.float64) - embeddings[None], axis=2)
        first, second = np.unravel_index(np.argmin(gaps + 9 * np.eye(len(gaps))), gaps.shape)
        if gaps[first, second] < 1e-4:
            names = (repr(SANITY_TEXTS[first]), repr(SANITY_TEXTS[second])) if what == "texts" else (first, second)
            raise SelfCheckError(
                f"{encoder.source} gives {what} {names[0]} and {names[1]} the same embedding; its weights or "
                f"{'tokenizer' if what == 'texts' else 'preprocessing'} are wrong: restore the checkpoint"
            )
