"""The contrastive loss for captions that several images share."""

import torch
from torch.nn import functional as nnf


def multi_positive_loss(
    images: torch.Tensor, texts: torch.Tensor, positive: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Return the symmetric cross-entropy against all true pairs.

    With each distinct caption encoded once, an image's target is spread evenly over the captions that are true of it,
    and a caption's over its images. One-hot targets would push two images of one caption apart.

    Args:
        images: float (N, D), L2-normalised.
        texts: float (M, D), L2-normalised.
        positive: bool (N, M), whether the caption is true of the image; each row has one at least. A column without any
            is a hard negative: it repels images, and has no image to choose.
        scale: Float scalar, 1 / temperature.

    Returns:
        Float scalar, the loss in nats, at least 0.
    """
    logits = images @ texts.T * scale
    by_image = positive / positive.sum(dim=1, keepdim=True)
    asked = positive.any(dim=0)
    by_text = positive[:, asked] / positive[:, asked].sum(dim=0, keepdim=True)
    # The targets' own entropy is taken off, so that 0 is a perfect fit whatever the number of positives.
    entropy = -(torch.xlogy(by_image, by_image).sum(dim=1).mean() + torch.xlogy(by_text, by_text).sum(dim=0).mean())
    loss = nnf.cross_entropy(logits, by_image) + nnf.cross_entropy(logits[:, asked].T, by_text.T)
    return (loss - entropy) / 2
