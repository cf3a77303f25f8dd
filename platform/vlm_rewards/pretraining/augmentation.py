"""Small changes to training images that leave their captions true."""

import torch


def augment(pixels: torch.Tensor, generator: torch.Generator, shift: int, jitter: float) -> torch.Tensor:
    """Shift each image by up to `shift` pixels and vary its brightness, contrast and colour balance.

    Args:
        pixels: float (N, 3, H, W), in [0, 1].
        generator: Source of all randomness, on the CPU.
        shift: Largest shift in pixels, each way; edges are repeated.
        jitter: Largest relative change, in [0, 1), such as 0.15.

    Returns:
        float (N, 3, H, W), in [0, 1].
    """
    count, _, height, width = pixels.shape
    if shift:
        rows = _shifted(count, height, shift, generator)
        columns = _shifted(count, width, shift, generator)
        batch = torch.arange(count)[:, None, None]
        # Indexing channels-last keeps the three channels of a pixel together.
        pixels = pixels.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if jitter:
        gain = 1 + jitter * _uniform((count, 3, 1, 1), generator)
        gain *= 1 + jitter * _uniform((count, 1, 1, 1), generator)
        offset = jitter * _uniform((count, 1, 1, 1), generator) / 2
        pixels = ((pixels - 0.5) * gain + 0.5 + offset).clamp(0, 1)
    return pixels


def _shifted(count: int, size: int, shift: int, generator: torch.Generator) -> torch.Tensor:
    offsets = torch.randint(-shift, shift + 1, (count, 1), generator=generator)
    return (torch.arange(size)[None] + offsets).clamp(0, size - 1)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator) * 2 - 1
