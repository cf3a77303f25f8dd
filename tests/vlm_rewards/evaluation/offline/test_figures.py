"""The figure over model sizes."""

import numpy as np
from PIL import Image

from vlm_rewards.evaluation.offline.figures import SizePoint, plot_average_precision


def picture(path, value):
    points = {("find", "goals"): [SizePoint("xs", 200_000, 0.2, 0.1, 0.3), SizePoint("l", 10**7, value, 0.1, 0.95)]}
    plot_average_precision(points, ["find"], ["goals"], path, "made", {"find": 0.05})
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_panel_a_family_shows_each_size(tmp_path):
    low, high = picture(tmp_path / "low.png", 0.3), picture(tmp_path / "high.png", 0.9)
    assert low.shape == high.shape
    assert np.any(low != high, axis=2).mean() > 0.001
    np.testing.assert_array_equal(high, picture(tmp_path / "again.png", 0.9))
