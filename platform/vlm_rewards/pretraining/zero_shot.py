"""How well a dual encoder names what it sees, without being trained to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vlm_rewards.encoders.encoder import Encoder
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset


@dataclass(frozen=True)
class ZeroShotReport:
    """Share of images whose nearest caption is that of their own label.

    Attributes:
        accuracy: Accuracy over all images, in [0, 1].
        by_label: Likewise for each label, in [0, 1].
        confused_with: For each label, the wrong label that its images most often went to, with their share; or None.
        images: How many were judged.
        counts: Images of each label.
    """

    accuracy: float
    by_label: dict[str, float]
    confused_with: dict[str, tuple[str, float] | None]
    images: int
    counts: dict[str, int] = field(default_factory=dict)


def zero_shot(encoder: Encoder, dataset: RenderedDataset, captions: Mapping[str, str]) -> ZeroShotReport:
    """Let each image choose among one caption a label.

    Args:
        encoder: The model to judge.
        dataset: Images with labels; those whose label has no caption are left out.
        captions: Caption by label.
    """
    labels, chosen = choices(encoder, dataset, {label: (caption,) for label, caption in captions.items()})
    by_label, confused, counts = {}, {}, Counter(labels)
    for name in sorted(counts):
        answers = Counter(choice for choice, label in zip(chosen, labels, strict=True) if label == name)
        total = counts[name]
        by_label[name] = answers.pop(name, 0) / total
        confused[name] = (answers.most_common(1)[0][0], answers.most_common(1)[0][1] / total) if answers else None
    right = sum(choice == label for choice, label in zip(chosen, labels, strict=True))
    return ZeroShotReport(right / max(1, len(labels)), by_label, confused, len(labels), dict(counts))


def choices(
    encoder: Encoder, dataset: RenderedDataset, captions: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """Return the label of each image, and the label whose captions are nearest to it.

    Several captions of a label count as one, at the mean of their embeddings (Radford et al. 2021, section 3.1.4).

    Args:
        encoder: The model to judge.
        dataset: Images with labels; those whose label has no caption are left out.
        captions: Captions by label, equally many of each.
    """
    names = sorted(captions)
    texts = encoder.embed_texts([caption for name in names for caption in captions[name]])
    if len(texts) > len(names):
        texts = texts.reshape(len(names), -1, texts.shape[1]).mean(axis=1)
        texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    rows = np.array([row for row, label in enumerate(dataset.labels) if label in captions], int)
    chosen: list[str] = []
    for start in range(0, len(rows), 256):
        images = encoder.embed_images(dataset.frames[rows[start : start + 256]])
        chosen.extend(names[best] for best in (images @ texts.T).argmax(axis=1))
    return [dataset.labels[row] for row in rows], chosen
