"""Where reward and truth part in an episode, and what is kept of its frames."""

import numpy as np
import pytest

from vlm_rewards.evaluation.recording import EpisodeRecord, FrameSheet


def episode(achieved: str, reward: str | None, fires: bool = True) -> EpisodeRecord:
    """An episode of so many states; a 1 is a state in which the goal holds, or which is rewarded."""
    states = len(achieved)
    flags = np.array([letter == "1" for letter in achieved])
    paid = None if reward is None else np.array([float(letter) for letter in reward], np.float32)
    sheet = FrameSheet(np.zeros(states, np.uint16), (1, 1), 1, b"")
    action = np.arange(-1, states - 1, dtype=np.int32)
    truth = flags.astype(np.float32)
    return EpisodeRecord(0, "g", "go", "f", 0, "who", action, truth, flags, paid, paid, None, None, sheet, fires)


@pytest.mark.parametrize(
    ("achieved", "reward", "paid_at", "true_at", "verdicts"),
    [
        ("0000", "0000", None, None, ""),
        ("0001", "0001", 3, 3, ""),
        ("0000", "0010", 2, None, "false disagrees"),
        ("0011", "0100", 1, 2, "false missed disagrees"),
        ("0011", "0101", 1, 2, "false disagrees"),
        ("0011", "0001", 3, 2, "disagrees"),
        ("0110", "0111", 1, 1, "disagrees"),
        ("0001", "0000", None, 3, "missed disagrees"),
        # No action led to the first state: nothing can be paid for it.
        ("1000", "0000", None, 0, "missed"),
        ("0001", None, None, 3, ""),
    ],
)
def test_what_an_episode_is_called(achieved, reward, paid_at, true_at, verdicts):
    one = episode(achieved, reward)
    assert (one.paid_at, one.true_at) == (paid_at, true_at)
    found = {"false": one.is_false_positive, "missed": one.is_missed, "disagrees": one.disagrees}
    assert {name for name, holds in found.items() if holds} == set(verdicts.split())


def test_a_dense_reward_says_of_no_state_that_the_goal_is_reached():
    dense = episode("0001", "0110", fires=False)
    assert dense.paid_at is None
    assert not any([dense.is_false_positive, dense.is_missed, dense.disagrees])


def test_a_sheet_gives_each_state_its_frame_back():
    rng = np.random.default_rng(0)
    # What a codec for photographs keeps: areas, not noise.
    frames = [np.kron(rng.integers(0, 255, (3, 2, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(7)]
    tiles = [0, 1, 1, 6, 2, 3, 4, 5, 0]
    sheet = FrameSheet.of(frames, tiles)
    assert sheet.size == (24, 16)
    assert len(sheet.frames()) == len(tiles)
    for frame, tile in zip(sheet.frames(), tiles, strict=True):
        errors = [np.abs(frame.astype(int) - known).mean() for known in frames]
        assert int(np.argmin(errors)) == tile
        assert errors[tile] < 16
