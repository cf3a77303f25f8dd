"""Errors of the playhouse; each message is one line that says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterable

from vlm_rewards.errors import ConfigError, VLMRewardsError
from vlm_rewards.strict_config import near_matches


class UnknownNameError(ConfigError):
    """A preset, category, colour, family or split that does not exist."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
        """Return an error for an unknown `name` of a `kind` of thing."""
        return cls(f"unknown {kind} {name!r}; {near_matches(str(name), known)}")


class ImpossibleGoalError(ConfigError):
    """A goal that no state of the chosen home can satisfy."""


class AssetPackError(ConfigError):
    """An asset pack whose folder, mesh or texture cannot be used."""


class ActionError(ConfigError):
    """An action outside the action space."""


class GLDriverError(VLMRewardsError):
    """No OpenGL driver can draw off screen."""


class PlayhouseError(VLMRewardsError):
    """The simulation failed; the environment has closed itself."""
