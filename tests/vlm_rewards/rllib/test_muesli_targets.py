"""Muesli's equations against an independent computation in numpy, one step and one action at a time."""

import numpy as np
import pytest
import torch

from vlm_rewards.rllib.muesli_targets import arrived_values, clipped_policy, divergence, retrace

GAMMA, LAMBDA = 0.9, 0.8


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def test_the_clipped_policy_is_the_prior_times_the_exponential_of_clipped_advantages(rng):
    logits, advantages = rng.normal(size=(3, 4)), 3 * rng.normal(size=(3, 4))
    expected = softmax(logits) * np.exp(np.clip(advantages, -1.5, 1.5))
    expected /= expected.sum(axis=1, keepdims=True)
    got = clipped_policy(torch.tensor(logits), torch.tensor(advantages), 1.5)
    np.testing.assert_allclose(got.exp().numpy(), expected, rtol=1e-6)


def test_the_clipped_policy_stays_near_the_prior_however_large_advantages_are():
    prior = torch.log(torch.tensor([0.5, 0.3, 0.2]))
    ratios = clipped_policy(prior, torch.tensor([1e6, 0.0, -1e6]), 1.0).exp() / prior.exp()
    assert float(ratios.max() / ratios.min()) == pytest.approx(np.exp(2.0), rel=1e-5)


def test_the_divergence_sums_over_all_actions(rng):
    p, q = softmax(rng.normal(size=6)), softmax(rng.normal(size=6))
    expected = sum(a * np.log(a / b) for a, b in zip(p, q, strict=True))
    assert float(divergence(torch.tensor(np.log(p)), torch.tensor(np.log(q)))) == pytest.approx(expected)
    assert float(divergence(torch.tensor(np.log(p)), torch.tensor(np.log(p)))) == pytest.approx(0.0)


def by_hand(rewards, values, q, log_ratios, ends, count):
    """Retrace as a sum of corrected temporal differences (Munos et al. 2016, equation 3), not by recursion."""
    returns = []
    for t in range(count):
        total, weight = q[t], 1.0
        for u in range(t, count):
            if u > t:
                weight *= GAMMA * LAMBDA * min(1.0, np.exp(log_ratios[u]))
            following = 0.0 if ends[u] else values[u + 1]
            total += weight * (rewards[u] + GAMMA * following - q[u])
        returns.append(total)
    return returns


@pytest.mark.parametrize("end", [None, 3])
@pytest.mark.parametrize("count", [4, 6])
def test_retrace_is_the_sum_of_corrected_differences(rng, count, end):
    steps = 6
    rewards, q, log_ratios = rng.normal(size=(3, 1, steps))
    values = rng.normal(size=(1, steps + 1))
    ends = np.zeros((1, steps), bool)
    if end is not None:
        ends[0, end] = True
        count = end + 1
    taken = np.arange(steps)[None] < count
    expected = by_hand(rewards[0], values[0], q[0], log_ratios[0], ends[0], count)
    got = retrace(*(torch.tensor(each) for each in (rewards, values, q, log_ratios, ends, taken)), GAMMA, LAMBDA)
    np.testing.assert_allclose(got[0, :count].numpy(), expected, rtol=1e-6)
    assert not got[0, count:].any()


def test_on_policy_and_with_exact_action_values_retrace_is_the_lambda_return(rng):
    rewards, zeros = rng.normal(size=(1, 5)), np.zeros((1, 5))
    values = rng.normal(size=(1, 6))
    expected, following = [0.0] * 5, values[0, 5]
    for t in reversed(range(5)):
        expected[t] = rewards[0, t] + GAMMA * following
        following = (1 - LAMBDA) * values[0, t] + LAMBDA * expected[t]
    taken, ends = np.ones((1, 5), bool), np.zeros((1, 5), bool)
    got = retrace(
        *(torch.tensor(each) for each in (rewards, values, values[:, :-1], zeros, ends, taken)), GAMMA, LAMBDA
    )
    np.testing.assert_allclose(got[0].numpy(), expected, rtol=1e-6)


def test_states_that_are_arrived_at_are_worth_their_return_their_value_or_nothing():
    values = torch.tensor([[9.0, 9.0, 9.0, 7.0], [9.0, 9.0, 5.0, 9.0]])
    returns = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 0.0]])
    taken = torch.tensor([[True, True, True], [True, True, False]])
    ends = torch.tensor([[False, False, False], [False, True, False]])
    got = arrived_values(values, returns, ends, taken)
    assert got[0].tolist() == [2.0, 3.0, 7.0]
    assert got[1, :2].tolist() == [2.0, 0.0]
    cut = arrived_values(values, returns, torch.zeros_like(ends), taken)
    assert cut[1, :2].tolist() == [2.0, 5.0]
