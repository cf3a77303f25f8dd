"""How well a dual encoder names what it sees, without being trained to."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vlm_rewards.encoders.encoder import Encoder
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset


@dataclass(frozen=True)
class ZeroShotReport:
    """Share of images whose nearest caption is that of their own label.

    Attributes:
        accuracy: over all images, in [0, 1].
        by_label: likewise for each label.
        confused_with: for each label the wrong label that its images most often went to, with their share; or None.
        images: how many were judged.
    """

    accuracy: float
    by_label: dict[str, float]
    confused_with: dict[str, tuple[str, float] | None]
    images: int


def zero_shot(encoder: Encoder, dataset: RenderedDataset, captions: Mapping[str, str]) -> ZeroShotReport:
    """Lets each image choose among one caption a label.

    Args:
        encoder: the model to judge.
        dataset: images with labels; those whose label has no caption are left out.
        captions: caption by label.
    """
    names = sorted(captions)
    texts = encoder.embed_texts([captions[name] for name in names])
    rows = np.array([row for row, label in enumerate(dataset.labels) if label in captions])
    chosen: list[str] = []
    for start in range(0, len(rows), 256):
        images = encoder.embed_images(dataset.frames[rows[start : start + 256]])
        chosen.extend(names[best] for best in (images @ texts.T).argmax(axis=1))
    labels = [dataset.labels[row] for row in rows]
    by_label, confused = {}, {}
    for name in sorted(set(labels)):
        answers = Counter(choice for choice, label in zip(chosen, labels, strict=True) if label == name)
        total = sum(answers.values())
        by_label[name] = answers.pop(name, 0) / total
        confused[name] = (answers.most_common(1)[0][0], answers.most_common(1)[0][1] / total) if answers else None
    right = sum(choice == label for choice, label in zip(chosen, labels, strict=True))
    return ZeroShotReport(right / max(1, len(labels)), by_label, confused, len(labels))
