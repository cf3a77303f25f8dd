"""Train reinforcement-learning agents whose only reward is a frozen vision-language model."""

__version__ = "0.1.0"
