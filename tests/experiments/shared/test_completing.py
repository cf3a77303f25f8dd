"""What a shell is told that a line may become."""

import pytest

from experiments.shared.completing import completions
from experiments.shared.preset_files import preset_names


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("python -m experiments.pretrain_", ["experiments.pretrain_clip", "experiments.pretrain_ladder"]),
        ("python -m experiments.train --dr", ["--dry-run"]),
        ("python -m experiments.train --preset find_small", ["find_small", "find_small_ground_truth"]),
        ("python -m experiments.precision ", ["quantise", "agree"]),
        ("python -m experiments.precision agree --runt", ["--runtime"]),
        ("python -m experiments.nothing --", []),
        ("python -m http.server --", []),
        ("python script.py --", []),
    ],
)
def test_a_line_is_completed(line, wanted):
    words = line.split(" ")
    assert completions(len(words) - 1, words) == wanted


def test_all_presets_are_offered():
    assert completions(4, ["python", "-m", "experiments.train", "--preset", ""]) == preset_names("train")
