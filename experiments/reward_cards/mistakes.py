"""The worst mistakes of a reward on labelled states, and the pictures of them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from experiments.shared.atomic_files import write_atomically
from vlm_rewards.evaluation.offline import LabelledDataset
from vlm_rewards.evaluation.offline.dataset import States

_COLUMNS, _SCALE, _MARGIN, _LINE = 4, 2, 6, 18
_PAPER, _INK = (255, 255, 255), (20, 20, 20)


@dataclass(frozen=True)
class Mistake:
    """A state that a reward scores too high or too low.

    Attributes:
        row: Its place among the states.
        key: `trajectory:step`.
        goal_id: The goal of its episode.
        score: In [0, 1].
        paid: Whether the score is above beta.
    """

    row: int
    key: str
    goal_id: str
    score: float
    paid: bool

    @property
    def shown(self) -> str:
        """The score for people."""
        return f"{self.score:.3f}" if self.score >= 0.001 else f"{self.score:.0e}"


def worst_mistakes(
    states: States, scores: npt.NDArray[np.float32], beta: float, achieved: bool, count: int
) -> list[Mistake]:
    """Return the states that are scored most wrongly, the worst first, at most one of each trajectory.

    States that follow one another look alike: a trajectory's worst stands for them.

    Args:
        states: N states in order of trajectory and step.
        scores: float32 (N,), in [0, 1].
        beta: Threshold.
        achieved: Of states in which the goal holds, those with the lowest score; else of the others those with the
            highest. Of equal scores the first state counts.
        count: Most of them.
    """
    rows = np.flatnonzero(states.goal_achieved == achieved)
    rows = rows[np.argsort(scores[rows] if achieved else -scores[rows], kind="stable")]
    _, first = np.unique(states.trajectory[rows], return_index=True)
    return [
        Mistake(
            int(row),
            f"{states.trajectory[row]}:{states.step[row]}",
            str(states.goal_id[row]),
            float(scores[row]),
            bool(scores[row] > np.float32(beta)),
        )
        for row in rows[np.sort(first)][:count]
    ]


def write_contact_sheet(mistakes: Sequence[Mistake], dataset: LabelledDataset, path: Path) -> None:
    """Write the frames of mistakes side by side, each with its number and score below it.

    Args:
        mistakes: At least one.
        dataset: Has their frames.
        path: The JPEG to write.
    """
    frames = dataset.frames_of(dataset.states.where(np.array([one.row for one in mistakes])))
    height, width = (_SCALE * side for side in frames.shape[1:3])
    columns = min(_COLUMNS, len(mistakes))
    lines = -(-len(mistakes) // columns)
    across, down = width + _MARGIN, height + _LINE + _MARGIN
    sheet = Image.new("RGB", (columns * across + _MARGIN, lines * down + _MARGIN), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (mistake, frame) in enumerate(zip(mistakes, frames, strict=True)):
        left, top = _MARGIN + number % columns * across, _MARGIN + number // columns * down
        # Enlarged without smoothing: these are the pixels that the model saw.
        sheet.paste(Image.fromarray(frame).resize((width, height), Image.Resampling.NEAREST), (left, top))
        draw.text((left, top + height + 1), f"{number + 1}   {mistake.shown}", fill=_INK, font=font)
    file = io.BytesIO()
    sheet.save(file, format="jpeg", quality=75, optimize=True)
    write_atomically(path, file.getvalue())
