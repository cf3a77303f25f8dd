"""The networks inside `GoalConditionedModule`: a text encoder, an image encoder and the FiLM layer between them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlm_rewards.environment.goal_tokens import GOAL_LENGTH, PADDING, VOCAB_SIZE


class GoalEncoder(nn.Module):
    """Embeds goal tokens by attention pooling over words with learned positions; trained from scratch."""

    def __init__(self, dim: int) -> None:
        """Make the encoder.

        Args:
            dim: Size of the goal vector.
        """
        super().__init__()
        self.words = nn.Embedding(VOCAB_SIZE, dim, padding_idx=PADDING)
        self.positions = nn.Parameter(torch.randn(GOAL_LENGTH, dim) * 0.1)
        self.score = nn.Linear(dim, 1)
        self.output = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode int64 (B, GOAL_LENGTH) to float32 (B, dim)."""
        words = self.words(tokens) + self.positions
        # A row of padding only (RLlib pads sequences with zeros) must not turn into NaN: -1e9, not -inf.
        scores = self.score(words).masked_fill((tokens == PADDING).unsqueeze(-1), -1e9)
        pooled = (torch.softmax(scores, dim=1) * words).sum(dim=1)
        return torch.tanh(self.output(pooled))


class FiLM(nn.Module):
    """Feature-wise linear modulation: the goal scales and shifts each channel of a feature map."""

    def __init__(self, goal_dim: int, channels: int) -> None:
        """Make the layer; it starts as the identity plus small noise.

        Args:
            goal_dim: Size of the goal vector.
            channels: Channels of the feature map.
        """
        super().__init__()
        self.project = nn.Linear(goal_dim, 2 * channels)

    def forward(self, features: Tensor, goal: Tensor) -> Tensor:
        """Modulate float32 (B, C, h, w) by the goal vectors, float32 (B, goal_dim); the shape stays."""
        scale, shift = self.project(goal)[:, :, None, None].chunk(2, dim=1)
        # One pass over the map instead of two: on a CPU the passes cost more than what they compute.
        return torch.addcmul(shift, features, 1 + scale)


class GoalImageEncoder(nn.Module):
    """A small convolutional encoder; every layer after the first is modulated by the goal.

    The first layer divides the image's sides by its stride at once: on a CPU the layers at full and half size of the
    usual residual networks cost ten times as much as this whole encoder.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], goal_dim: int, grid: Sequence[int]) -> None:
        """Make the encoder.

        Args:
            channels: Channels of each layer.
            strides: Strides of each layer; the first has a kernel of twice its stride, the others one of 3.
            goal_dim: Size of the goal vector.
            grid: (rows, columns) to which the last map is averaged.
        """
        super().__init__()
        self.grid = (grid[0], grid[1])
        self.stem = nn.Conv2d(3, channels[0], kernel_size=2 * strides[0], stride=strides[0], padding=strides[0] // 2)
        shapes = list(zip(channels[:-1], channels[1:], strides[1:], strict=True))
        self.layers = nn.ModuleList(nn.Conv2d(i, o, kernel_size=3, stride=s, padding=1) for i, o, s in shapes)
        self.films = nn.ModuleList(FiLM(goal_dim, o) for _, o, _ in shapes)

    def forward(self, images: Tensor, goal: Tensor) -> Tensor:
        """Encode uint8 (B, H, W, 3) to float32 (B, C, rows, columns)."""
        # In place, on a copy: each pass over all pixels costs as much as a small convolution.
        pixels = images.permute(0, 3, 1, 2).to(torch.float32, copy=True).mul_(1 / 255).sub_(0.5)
        # A (B, H, W, 3) tensor read as (B, 3, H, W) already lies in memory as channels-last convolutions want it.
        features = torch.relu_(self.stem(pixels))
        for layer, film in zip(self.layers, self.films, strict=True):
            features = torch.relu_(film(layer(features), goal))
        # Its backward pass is slow even where there is nothing to average.
        return features if features.shape[-2:] == self.grid else functional.adaptive_avg_pool2d(features, self.grid)
