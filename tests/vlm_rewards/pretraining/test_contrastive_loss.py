import math

import pytest
import torch
from torch.nn import functional as nnf

from vlm_rewards.pretraining.contrastive_loss import multi_positive_loss

SCALE = torch.tensor(10.0)


def unit(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return nnf.normalize(torch.randn(shape, generator=generator), dim=-1)


def test_single_positives_are_the_plain_symmetric_cross_entropy():
    images, texts = unit(5, 8), unit(2, 5, 8)[1]
    logits, target = images @ texts.T * 10, torch.arange(5)
    plain = (nnf.cross_entropy(logits, target) + nnf.cross_entropy(logits.T, target)) / 2
    torch.testing.assert_close(multi_positive_loss(images, texts, torch.eye(5, dtype=torch.bool), SCALE), plain)


def test_several_positives_equal_the_formula_written_out():
    images, texts = unit(3, 6), unit(4, 6)
    positive = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=torch.bool)
    similarity = (images @ texts.T * 10).tolist()

    def divergence(scores: list[float], mask: list[bool]) -> float:
        """KL of the softmax of `scores` from the even spread over `mask`."""
        total, count = math.fsum(math.exp(s) for s in scores), sum(mask)
        return sum(
            -math.log(count) / count - (score - math.log(total)) / count
            for score, chosen in zip(scores, mask, strict=True)
            if chosen
        )

    rows = [divergence(similarity[i], positive[i].tolist()) for i in range(3)]
    columns = [divergence([row[j] for row in similarity], positive[:, j].tolist()) for j in range(4)]
    expected = (sum(rows) / 3 + sum(columns) / 4) / 2
    assert multi_positive_loss(images, texts, positive, SCALE).item() == pytest.approx(expected, rel=1e-5)


def test_two_images_of_one_caption_do_not_fight():
    """Perfect embeddings reach zero although the caption is shared; one-hot targets could not."""
    corners = torch.eye(2)
    images, texts = corners[[0, 0, 1]], corners
    positive = torch.tensor([[1, 0], [1, 0], [0, 1]], dtype=torch.bool)
    assert multi_positive_loss(images, texts, positive, torch.tensor(100.0)).item() < 1e-6


def test_it_falls_as_true_pairs_come_closer():
    images, texts, positive = unit(6, 8), unit(2, 6, 8)[1], torch.eye(6, dtype=torch.bool)
    losses = [
        multi_positive_loss(nnf.normalize(images + weight * texts, dim=-1), texts, positive, SCALE).item()
        for weight in (0.0, 0.5, 1.0, 3.0)
    ]
    assert losses == sorted(losses, reverse=True)


def test_a_hard_negative_repels_images_and_asks_for_none():
    images, texts, positive = unit(3, 8), unit(2, 4, 8)[1], torch.eye(4, dtype=torch.bool)[:3]
    logits = images @ texts.T * 10
    by_image = nnf.cross_entropy(logits, torch.arange(3))
    by_text = nnf.cross_entropy(logits[:, :3].T, torch.arange(3))
    loss = multi_positive_loss(images, texts, positive, SCALE)
    torch.testing.assert_close(loss, (by_image + by_text) / 2)
    assert loss > multi_positive_loss(images, texts[:3], positive[:, :3], SCALE)
