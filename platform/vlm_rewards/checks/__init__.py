"""Checks for strangers: is my environment one that can be paid from pictures, and is my reward one to train on?

`vlm-rewards check-env` and `vlm-rewards check-reward` print what these find. A check goes on after what it finds, so
that one run says all there is to change.
"""

from vlm_rewards.checks.environment import check_environment
from vlm_rewards.checks.finding import Finding
from vlm_rewards.checks.reward import check_reward

__all__ = ["Finding", "check_environment", "check_reward"]
