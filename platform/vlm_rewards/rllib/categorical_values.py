"""Values and rewards as distributions over atoms, in a space where large ones are squashed."""

import torch
from torch import Tensor
from torch.nn import functional

# Keeps the squashing invertible: Pohlen et al. 2018, equation 4.
_EPSILON = 1e-3


def squash(values: Tensor) -> Tensor:
    """Return h(x) = sign(x) (sqrt(|x| + 1) - 1) + 0.001 x (Pohlen et al. 2018); float32 of any shape."""
    return torch.sign(values) * (torch.sqrt(values.abs() + 1) - 1) + _EPSILON * values


def unsquash(squashed: Tensor) -> Tensor:
    """Return the x of which `squash` makes this; float32 of any shape."""
    root = torch.sqrt(1 + 4 * _EPSILON * (squashed.abs() + 1 + _EPSILON))
    return torch.sign(squashed) * (((root - 1) / (2 * _EPSILON)) ** 2 - 1)


class Atoms:
    """The atoms of a distribution over values: evenly spaced where values are squashed.

    Attributes:
        positions: float32 (atoms,), squashed, ascending.
    """

    def __init__(self, count: int, low: float, high: float) -> None:
        """Make them.

        Args:
            count: How many, at least 2.
            low: Smallest value, in units of the reward.
            high: Largest value, in the same units, above `low`.
        """
        first, last = squash(torch.tensor([low, high], dtype=torch.float64)).tolist()
        self.positions = torch.linspace(first, last, count, dtype=torch.float32)

    def mean(self, logits: Tensor) -> Tensor:
        """Return the values that logits stand for.

        Args:
            logits: float32 (N, atoms), or with any other axes before the atoms.

        Returns:
            float32 (N,), or those axes: the unsquashed expectation.
        """
        return unsquash(torch.softmax(logits.float(), dim=-1) @ self.positions.to(logits.device))

    def cross_entropy(self, logits: Tensor, values: Tensor) -> Tensor:
        """Return how far logits are from values, each shared by the two atoms beside it.

        Args:
            logits: float32 (N, atoms), or with any other axes before the atoms.
            values: float32 (N,), or those axes; what lies outside the range counts as its nearer end.

        Returns:
            float32 (N,), or those axes: in nats.
        """
        positions = self.positions.to(logits.device)
        spacing = positions[1] - positions[0]
        place = ((squash(values) - positions[0]) / spacing).clamp(0, len(positions) - 1)
        below = place.floor().clamp(max=len(positions) - 2).long()
        share = (place - below).unsqueeze(-1)
        logs = functional.log_softmax(logits.float(), dim=-1)
        pair = logs.gather(-1, torch.stack([below, below + 1], dim=-1))
        return -(pair * torch.cat([1 - share, share], dim=-1)).sum(dim=-1)
