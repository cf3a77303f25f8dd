"""Every error that the library raises on purpose.

A message is one line that says what is wrong and what to do about it, so that a command line can print it as it is.
All of them travel between Ray processes: they are built from their message alone.
"""

from typing import ClassVar


class VLMRewardsError(Exception):
    """Base class: catch it at a program's edge, print the message, exit non-zero.

    Attributes:
        retryable: Whether the same request may succeed when it is sent again.
    """

    retryable: ClassVar[bool] = False


class ConfigError(VLMRewardsError, ValueError):
    """A setting, goal, model id or YAML key that cannot be used as given."""


class MissingExtraError(VLMRewardsError, ImportError):
    """A part of the library was imported whose extra is not installed."""


class CheckpointError(VLMRewardsError):
    """A model folder or hub id that is not a usable dual encoder."""


class SelfCheckError(VLMRewardsError):
    """A reward model that failed its start-up check: its weights or files are not the recorded ones."""


class InvalidFrameError(VLMRewardsError, ValueError):
    """Frames that are not uint8 (N, H, W, 3)."""


class NonFiniteRewardError(VLMRewardsError):
    """A reward that came out as NaN or infinite; nothing may train on it."""


class RewardServiceError(VLMRewardsError):
    """The reward service did not answer a request as it should."""


class RewardServiceUnavailableError(RewardServiceError):
    """No replica could be reached, or the one that held the request died."""

    retryable: ClassVar[bool] = True


class RewardTimeoutError(RewardServiceError):
    """The reward service did not answer in time."""

    retryable: ClassVar[bool] = True


class RewardOverloadedError(RewardServiceError):
    """The reward service refused the request because its queue is full."""

    retryable: ClassVar[bool] = True


class TrackingError(VLMRewardsError):
    """The MLflow store cannot be opened or written."""


class NotCopyableError(VLMRewardsError, TypeError):
    """Something that holds a device, a window or threads was to be copied or pickled."""
