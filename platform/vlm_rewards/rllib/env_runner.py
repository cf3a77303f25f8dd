"""An env runner that says why it failed."""

import random
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from ray.rllib.algorithms.algorithm import Algorithm
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

    def begin_anew(self, seed: int) -> None:
        """Drop the unfinished episodes; the next sample begins new ones, from newly seeded generators.

        Args:
            seed: Seed of this runner's first sub-environment, at least 0; each further one has the next number.
        """
        # Of this process: actions are drawn from torch's generator, and the learner may live here too.
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        self._seed = seed
        self._needs_initial_reset = True

    def apply(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call `func(self, ...)`; whatever it raises reaches the driver as itself."""
        return func(self, *args, **kwargs)

    def sample(self, **kwargs: Any) -> list[SingleAgentEpisode]:
        """Sample as RLlib's env runner does, and remove the ledgers from what it returns.

        Raises:
            VLMRewardsError: What the reward, its client or the env had to say.
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


def begin_anew(algorithm: Algorithm, seed: int) -> None:
    """Start new episodes everywhere, from generators that depend on the seed and on nothing before it.

    Called where a checkpoint was written and where one was restored, it makes a training in one process that was
    interrupted there equal, bit by bit, to one that was not: half-played episodes and the state of generators are in
    no checkpoint of RLlib's.

    Args:
        algorithm: Sampled and learned with so far, or just restored.
        seed: Seed of all generators, of which each env runner gets numbers of its own; at least 0.
    """

    def begin(runner: Any) -> None:
        own = np.random.SeedSequence(seed, spawn_key=(runner.worker_index,))
        runner.begin_anew(int(own.generate_state(1)[0] % 2**31))

    # Of an algorithm with a replay, which waits for the ends of episodes.
    forget_unfinished = getattr(algorithm, "forget_unfinished", None)
    if forget_unfinished is not None:
        forget_unfinished()
    assert algorithm.env_runner_group is not None
    algorithm.env_runner_group.foreach_env_runner(begin, local_env_runner=True)
