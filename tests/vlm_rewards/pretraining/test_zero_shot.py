"""Naming pictures on which the fake encoder is right: they are painted to show a caption."""

import numpy as np
import pytest

from vlm_rewards.encoders.fake import FakeEncoder
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset
from vlm_rewards.pretraining.zero_shot import choices, zero_shot

CAPTIONS = {"mug": "a photo of a mug", "ball": "a photo of a ball", "boat": "a photo of a boat"}


def pictures(labels: str, shown: str) -> RenderedDataset:
    encoder = FakeEncoder()
    frames = np.stack([encoder.frame_of(CAPTIONS[name]) for name in shown.split()])
    return RenderedDataset(frames, ("a picture",), ((0,),) * len(frames), tuple(labels.split()))


def test_each_picture_goes_to_the_nearest_caption():
    labels, chosen = choices(
        FakeEncoder(),
        pictures("mug ball boat mug", "mug ball ball boat"),
        {name: (caption,) for name, caption in CAPTIONS.items()},
    )
    assert labels == ["mug", "ball", "boat", "mug"]
    assert chosen == ["mug", "ball", "ball", "boat"]


def test_several_captions_of_a_label_count_as_one():
    captions = {"mug": (CAPTIONS["mug"], CAPTIONS["boat"]), "ball": (CAPTIONS["ball"], CAPTIONS["ball"])}
    # A boat is nearer to the mean of mug and boat than to a ball.
    _, chosen = choices(FakeEncoder(), pictures("mug ball mug", "mug ball boat"), captions)
    assert chosen == ["mug", "ball", "mug"]


def test_the_report_counts_by_label_and_leaves_out_labels_without_a_caption():
    dataset = pictures("mug mug mug ball boat", "mug mug ball ball boat")
    report = zero_shot(FakeEncoder(), dataset, {name: CAPTIONS[name] for name in ("mug", "ball")})
    assert report.images == 4
    assert report.accuracy == 0.75
    assert report.by_label == {"ball": 1.0, "mug": pytest.approx(2 / 3)}
    assert report.confused_with == {"ball": None, "mug": ("ball", pytest.approx(1 / 3))}
    assert report.counts == {"ball": 1, "mug": 3}
