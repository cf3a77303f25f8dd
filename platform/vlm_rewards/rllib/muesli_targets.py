"""What Muesli learns towards (Hessel et al. 2021): a clipped policy, returns by Retrace, a scale for advantages."""

import torch
from torch import Tensor


def clipped_policy(prior_logits: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """Return the CMPO policy, proportional to prior * exp(clip(advantage, -c, c)) (equation 7).

    Args:
        prior_logits: float32 (..., A), of the prior policy.
        advantages: float32 (..., A), normalised, of every action.
        clip: c, above 0.

    Returns:
        Its logarithm, float32 (..., A). No action is more than exp(2c) times as probable as before, against another.
    """
    return torch.log_softmax(torch.log_softmax(prior_logits, dim=-1) + advantages.clamp(-clip, clip), dim=-1)


def divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return KL(p || q), summed exactly over the actions.

    Args:
        log_p: float32 (N, A), or with any other axes before the actions.
        log_q: float32 of the same shape.

    Returns:
        float32 (N,), or those axes: in nats, at least 0.
    """
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1)


def retrace(
    rewards: Tensor,
    values: Tensor,
    action_values: Tensor,
    log_ratios: Tensor,
    ends: Tensor,
    taken: Tensor,
    gamma: float,
    lambda_: float,
) -> Tensor:
    """Return off-policy returns of the prior policy by Retrace (Munos et al. 2016).

    G_t = r_t+1 + gamma (v(s_t+1) + c_t+1 (G_t+1 - q(s_t+1, a_t+1))), with c = lambda min(1, pi(a|s) / b(a|s)); after an
    end nothing is added, and where the window or the episode is cut short, v(s_t+1) stands for what follows.

    Args:
        rewards: float32 (B, T), of arriving at the next states.
        values: float32 (B, T + 1), v of the states.
        action_values: float32 (B, T), q of the states and the actions taken in them.
        log_ratios: float32 (B, T), log pi(a|s) - log b(a|s).
        ends: bool (B, T), whether the episode ends for good with the step.
        taken: bool (B, T), which steps there are; none comes after one that is not.
        gamma: Discount factor per step.
        lambda_: Lambda, in [0, 1].

    Returns:
        float32 (B, T); 0 for steps that were not taken.
    """
    traces = lambda_ * log_ratios.clamp(max=0).exp() * taken
    returns = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        returns[:, t] = taken[:, t] * (rewards[:, t] + gamma * ~ends[:, t] * (values[:, t + 1] + following))
        # What the step before adds to v(s_t).
        following = traces[:, t] * (returns[:, t] - action_values[:, t])
    return returns


def arrived_values(values: Tensor, returns: Tensor, ends: Tensor, taken: Tensor) -> Tensor:
    """Return what the states that steps arrive at are worth, for a model that looks ahead.

    Args:
        values: float32 (B, T + 1), v of the states.
        returns: float32 (B, T), of the states from which a step was taken.
        ends: bool (B, T), whether the episode ends for good with the step.
        taken: bool (B, T), which steps there are.

    Returns:
        float32 (B, T): 0 after an end, the return where another step was taken, v otherwise.
    """
    goes_on = torch.zeros_like(taken)
    goes_on[:, :-1] = taken[:, 1:]
    ahead = torch.zeros_like(returns)
    ahead[:, :-1] = returns[:, 1:]
    return torch.where(goes_on, ahead, values[:, 1:]) * ~ends
