"""Values over atoms against numpy, written from the papers and without the code's own arithmetic."""

import numpy as np
import pytest
import torch

from vlm_rewards.rllib.categorical_values import Atoms, squash, unsquash


def h(x):
    return np.sign(x) * (np.sqrt(np.abs(x) + 1) - 1) + 0.001 * x


def test_squashing_is_the_papers_and_can_be_undone():
    values = np.array([-300.0, -1.0, -0.25, 0.0, 0.5, 1.0, 80.0], np.float32)
    np.testing.assert_allclose(squash(torch.tensor(values)).numpy(), h(values), rtol=1e-6)
    np.testing.assert_allclose(unsquash(squash(torch.tensor(values))).numpy(), values, rtol=2e-3, atol=2e-4)


def test_a_value_between_two_atoms_is_shared_by_them():
    atoms = Atoms(5, 0.0, 8.0)
    positions = np.linspace(h(0.0), h(8.0), 5)
    value = 3.0
    below = np.searchsorted(positions, h(value)) - 1
    share = (h(value) - positions[below]) / (positions[1] - positions[0])
    logits = np.array([0.3, -1.0, 0.7, 0.2, 1.5])
    logs = logits - np.log(np.exp(logits).sum())
    expected = -((1 - share) * logs[below] + share * logs[below + 1])
    got = atoms.cross_entropy(torch.tensor(logits, dtype=torch.float32), torch.tensor(value))
    assert float(got) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("value", "atom"), [(-2.0, 0), (0.0, 0), (8.0, 4), (11.0, 4)])
def test_what_lies_outside_counts_as_the_nearer_end(value, atom):
    logits = torch.full((5,), -20.0)
    logits[atom] = 20.0
    assert float(Atoms(5, 0.0, 8.0).cross_entropy(logits, torch.tensor(value))) == pytest.approx(0.0, abs=1e-5)


def test_what_was_learned_is_read_back():
    atoms = Atoms(21, 0.0, 1.0)
    targets = torch.tensor([0.0, 0.13, 0.5, 0.97, 1.0])
    logits = torch.zeros(5, 21, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        atoms.cross_entropy(logits, targets).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(atoms.mean(logits).detach().numpy(), targets.numpy(), atol=0.01)
