"""What RLlib raises at a checkpoint that it cannot take, in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlm_rewards.errors import ConfigError, VLMRewardsError
from vlm_rewards.rllib import health

# Where RLlib keeps the only policy's networks in a checkpoint of an algorithm.
MODULE_IN_CHECKPOINT = Path("learner_group", "learner", "rl_module", "default_policy")


@contextmanager
def restoring(checkpoint: Path) -> Iterator[Path]:
    """Say of a checkpoint that is whole, as its checksums have proven, why it does not fit.

    RLlib's checkpoints are pickled, so that other versions, and settings changed since, show in any kind of error.

    Args:
        checkpoint: Its folder.

    Raises:
        ConfigError: It does not fit.
    """
    try:
        yield checkpoint
    except VLMRewardsError:
        raise
    except Exception as error:
        cause = health.cause(error)
        what = " ".join(str(cause).split())[:200]
        raise ConfigError(
            f"{checkpoint} is whole and cannot be restored ({type(cause).__name__}: {what}): go on with the settings "
            "and the versions that it was written with, which the run's tags in MLflow name, or start a new run"
        ) from error


def restored_networks(checkpoint: Path) -> Any:
    """Return the only policy's networks of a checkpoint, an RLModule.

    Raises:
        ConfigError: It does not fit.
    """
    # Imported here: only an agent that RLlib trained needs it.
    from ray.rllib.core.rl_module import RLModule

    with restoring(checkpoint) as whole:
        return RLModule.from_checkpoint(whole / MODULE_IN_CHECKPOINT)
