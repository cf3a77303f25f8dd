import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.caption_source import CaptionedImage
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset, RenderSpec
from vlm_rewards.pretraining.shapes import random_shape
from vlm_rewards.pretraining.wording import check_wording


def task_worded(rng, height, width):
    """A source that gives its game away in one of many captions."""
    drawn = random_shape(rng, height, width)
    caption = "Open the Gmail app" if drawn.label == "red circle" else drawn.captions[0]
    return CaptionedImage(drawn.frame, (caption,), drawn.label)


INSTRUCTIONS = [
    *("Open Gmail", "a phone, please open the app", "tap the blue icon", "Find a green roll", "Lift a mug", "", "  "),
    *("Put a lamp next to a plane", "the goal is Gmail", "launch Maps", "swipe up", "go near a ball"),
]
DESCRIPTIONS = [
    *("Screenshot of Gmail on Android", "a phone with its tap bar", "the Opener app", "a robot lifting a mug"),
    *("Maps: a city map with a location marker", "a ball to find on a table"),
]


@pytest.mark.parametrize("caption", INSTRUCTIONS)
def test_instructions_are_refused(caption):
    with pytest.raises(ConfigError, match=r"worded as a task|empty caption"):
        check_wording(["a red ball", caption])


@pytest.mark.parametrize("caption", DESCRIPTIONS)
def test_descriptions_pass(caption):
    check_wording([caption])


def test_rendering_stops_at_a_source_that_uses_task_wording(tmp_path, monkeypatch):
    monkeypatch.setattr("vlm_rewards.pretraining.shapes.task_worded", task_worded, raising=False)
    spec = RenderSpec("vlm_rewards.pretraining.shapes:task_worded", 200, 16, 12, 0)
    with pytest.raises(ConfigError, match="'Open the Gmail app' is worded as a task"):
        RenderedDataset.render(spec, tmp_path / "data")
    assert not list((tmp_path / "data").glob("captions-*"))
