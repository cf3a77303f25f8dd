"""An env runner that says why it failed."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from vlm_rewards.rllib.metrics import METRICS_KEY

T = TypeVar("T")


class RewardEnvRunner(SingleAgentEnvRunner):
    """RLlib's env runner with three differences.

    An error ends the call with that error. RLlib's own runner (2.60) logs it and exits its process, so that the driver
    learns only that an actor died; and what an env raises it hides behind an empty RuntimeError.

    Sampled episodes leave without their ledgers: metrics have read them by then, continued episodes hold copies, and
    what goes to the learner knows nothing of the ground truth.

    It samples with one torch thread: a small batch gains nothing from a second, and on a machine whose other cores are
    busy (serving rewards, for one) the two wait for each other: 2 ms a forward become 20.
    """

    def apply(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Calls `func(self, ...)`; whatever it raises reaches the driver as itself."""
        return func(self, *args, **kwargs)

    def sample(self, **kwargs: Any) -> list[SingleAgentEpisode]:
        """Samples as RLlib's env runner does, and removes the ledgers from what it returns.

        Raises:
            VLMRewardsError: what the reward, its client or the env had to say.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            episodes = super().sample(**kwargs)
        except RuntimeError as error:
            if error.__cause__ is None or str(error):
                raise
            # A cause does not survive the way to another process; an error does.
            raise error.__cause__ from None
        finally:
            torch.set_num_threads(threads)
        for episode in episodes:
            episode.custom_data.pop(METRICS_KEY, None)
        return episodes
