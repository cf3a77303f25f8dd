"""One recorded episode: its states in order, and where reward and truth part."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image

# Lossy: 0.2 to 1.3 kB a frame of 64 to 128 pixels, which differs from the original by 2 of 255 on average.
_QUALITY = 75


@dataclass(frozen=True)
class FrameSheet:
    """The distinct frames of an episode as one picture of tiles, and which of them each state shows.

    Attributes:
        tile: uint16 (T,), number of each state's tile; tiles go from left to right, then down.
        size: (height, width) of a tile in pixels.
        columns: Tiles in a row.
        webp: The picture as a WebP file; empty where it was left out for lack of room.
    """

    tile: npt.NDArray[np.uint16]
    size: tuple[int, int]
    columns: int
    webp: bytes

    @classmethod
    def of(cls, distinct: Sequence[npt.NDArray[np.uint8]], tile: Sequence[int]) -> "FrameSheet":
        """Draw the sheet of the distinct frames uint8 (h, w, 3) of an episode, as nearly square as can be."""
        height, width = distinct[0].shape[:2]
        columns = int(np.ceil(np.sqrt(len(distinct) * height / width)))
        rows = -(-len(distinct) // columns)
        canvas = np.zeros((rows * height, columns * width, 3), np.uint8)
        for number, frame in enumerate(distinct):
            top, left = number // columns * height, number % columns * width
            canvas[top : top + height, left : left + width] = frame
        file = io.BytesIO()
        Image.fromarray(canvas).save(file, "WEBP", quality=_QUALITY, method=4)
        return cls(np.asarray(tile, np.uint16), (height, width), columns, file.getvalue())

    def without_picture(self) -> "FrameSheet":
        """Return the same without its picture."""
        return FrameSheet(self.tile, self.size, self.columns, b"")

    def frames(self) -> npt.NDArray[np.uint8]:
        """Return the frame of each state as it was kept, uint8 (T, h, w, 3)."""
        canvas = np.asarray(Image.open(io.BytesIO(self.webp)).convert("RGB"))
        height, width = self.size
        tops, lefts = self.tile // self.columns * height, self.tile % self.columns * width
        return np.stack(
            [canvas[top : top + height, left : left + width] for top, left in zip(tops, lefts, strict=True)]
        )


@dataclass(frozen=True)
class Shares:
    """What each state was compared with: the goal's caption, and the negatives that came nearest.

    Attributes:
        caption: int32 (K,), numbers of the captions in the recording's; the goal's own first.
        similarity: float32 (T, K), cosines of the states and these captions.
        rest: float32 (T,), share of all other negatives together, in [0, 1].
        others: How many these others are.
    """

    caption: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float32]
    rest: npt.NDArray[np.float32]
    others: int


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode, T states of it: the first after the reset, the others after an action each.

    Attributes:
        number: Of the episode in its run, or of the trajectory in its dataset.
        goal_id: Its goal.
        instruction: The goal in words.
        family: Name of the goals' task set or family.
        seed: What decided everything else in it.
        actor: Who acted.
        action: int32 (T,), what led to each state; -1 for the first.
        true_reward: float32 (T,), the environment's own reward; 0 for the first.
        achieved: bool (T,), ground truth: the goal holds in this state.
        score: float32 (T,), the reward model's, by default p(goal); None where nothing scored it.
        reward: float32 (T,), the reward model's reward; 0 for the first state, which no action led to. None as above.
        shares: Goal and negatives; None as above.
        agent_frames: What the agent saw; None where that is not known.
        reward_frames: What the reward model saw.
    """

    number: int
    goal_id: str
    instruction: str
    family: str
    seed: int
    actor: str
    action: npt.NDArray[np.int32]
    true_reward: npt.NDArray[np.float32]
    achieved: npt.NDArray[np.bool_]
    score: npt.NDArray[np.float32] | None
    reward: npt.NDArray[np.float32] | None
    shares: Shares | None
    agent_frames: FrameSheet | None
    reward_frames: FrameSheet
    fires: bool = field(default=True)
    """Whether the reward says that goals are reached; a dense one never does."""

    def __len__(self) -> int:
        return len(self.action)

    @cached_property
    def paid_at(self) -> int | None:
        """State at which the reward first says that the goal is reached; in training the episode would end there."""
        return None if self.reward is None or not self.fires else _first(self.reward > 0)

    @cached_property
    def true_at(self) -> int | None:
        """State in which the goal first holds."""
        return _first(self.achieved)

    @property
    def is_false_positive(self) -> bool:
        """Whether the reward first fires where the goal does not hold."""
        return self.paid_at is not None and not self.achieved[self.paid_at]

    @property
    def is_missed(self) -> bool:
        """Whether the goal is reached, and the reward fires in no state in which it holds."""
        if self.reward is None or not self.fires or self.true_at is None:
            return False
        return not bool((self.reward[self.achieved] > 0).any())

    @property
    def disagrees(self) -> bool:
        """Whether reward and truth say different things of any state that an action led to."""
        if self.reward is None or not self.fires:
            return False
        return bool(((self.reward > 0) != self.achieved)[1:].any())

    @property
    def nbytes(self) -> int:
        """Bytes of its pictures, and of its shares as they are stored."""
        return self.picture_bytes + (0 if self.shares is None else 2 * self.shares.similarity.size)

    @property
    def picture_bytes(self) -> int:
        """Bytes of its pictures."""
        return sum(len(sheet.webp) for sheet in (self.agent_frames, self.reward_frames) if sheet is not None)


def _first(where: npt.NDArray[np.bool_]) -> int | None:
    found = np.flatnonzero(where)
    return int(found[0]) if len(found) else None
