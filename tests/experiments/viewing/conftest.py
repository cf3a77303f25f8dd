"""Recordings of the coloured grid, and pages of them."""

import pytest

from experiments.viewing.page import write_page
from tests.vlm_rewards.evaluation.recording.recorded import grid_recording


@pytest.fixture(scope="package")
def recording():
    """Sixty episodes, some with a false positive, some with a missed success."""
    return grid_recording(60, blind=0.5)


@pytest.fixture(scope="package")
def page_file(recording, tmp_path_factory):
    return write_page(recording, tmp_path_factory.mktemp("page") / "episodes.html", {"run": "grid <b>1</b>"})
