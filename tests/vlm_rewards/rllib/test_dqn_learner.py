import numpy as np
import pytest
import torch

from vlm_rewards.rllib.dqn_learner import double_q_target
from vlm_rewards.rllib.eye import eye_loss


@pytest.mark.parametrize("value_range", [None, (0.0, 1.0)])
def test_the_target_is_the_double_q_one_computed_row_by_row(value_range):
    rng = np.random.default_rng(0)
    online, following = rng.normal(size=(2, 40, 5)).astype(np.float32)
    returns = rng.random(40).astype(np.float32)
    discounts = np.where(rng.random(40) < 0.3, 0, 0.97**5).astype(np.float32)
    following_tensor = torch.from_numpy(following).requires_grad_()
    got = double_q_target(
        torch.from_numpy(returns), torch.from_numpy(discounts), torch.from_numpy(online), following_tensor, value_range
    )
    assert not got.requires_grad
    for row in range(40):
        action = max(range(5), key=lambda a: online[row, a])
        expected = returns[row] + discounts[row] * following[row, action]
        if value_range:
            expected = min(max(expected, 0), 1)
        assert float(got[row]) == pytest.approx(float(expected), rel=1e-6)
    # It is the online network that chooses: here the two disagree.
    assert (online.argmax(1) != following.argmax(1)).any()


def test_the_eye_s_loss_is_the_mean_square_over_the_rows_that_have_a_target():
    rng = np.random.default_rng(0)
    predictions, targets = rng.normal(size=(2, 6, 3)).astype(np.float32)
    mask = np.array([True, False, True, True, False, False])
    got = eye_loss(
        {"eye_predictions": torch.from_numpy(predictions)},
        {"eye_targets": torch.from_numpy(targets), "eye_mask": torch.from_numpy(mask)},
    )
    assert float(got) == pytest.approx(np.mean((predictions - targets)[mask] ** 2), rel=1e-5)
    nothing = {"eye_targets": torch.from_numpy(targets), "eye_mask": torch.zeros(6, dtype=torch.bool)}
    assert float(eye_loss({"eye_predictions": torch.from_numpy(predictions)}, nothing)) == 0
