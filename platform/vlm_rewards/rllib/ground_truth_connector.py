"""The agent to compare with: one that trains on the environment's own reward."""

from typing import Any

import numpy as np
import numpy.typing as npt
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.rl_module import RLModule
from ray.rllib.utils.metrics.metrics_logger import MetricsLogger

from vlm_rewards.rllib.connector import book_step, ledger_of, pop_ground_truth
from vlm_rewards.rllib.metrics import log_episode, log_steps
from vlm_rewards.rllib.training_goals import ACHIEVED, TrainingGoals


class GroundTruthConnector(ConnectorV2):
    """Leaves the env's reward in the episodes, and keeps the same books as `RewardConnector`.

    The upper line of the paper's figure 4 is drawn by this agent: same networks, same budget, the true reward. Build
    the env with `terminate_on_success=True`. `reward_return` is the return trained on, here the environment's own.
    """

    def __init__(self, env: Any = None, goals: TrainingGoals | None = None) -> None:
        """Make the connector.

        Args:
            env: The env runner's vector env; None in RLlib's driver.
            goals: Say for each of these in the steps' infos whether it is achieved, for hindsight; None does not.
        """
        super().__init__()
        self._env = env
        self._goals = goals

    def get_ctor_args_and_kwargs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what a checkpoint needs to rebuild this piece: not the env, which cannot be pickled."""
        return (), {"goals": self._goals}

    def __call__(
        self,
        *,
        rl_module: RLModule,
        batch: dict[str, Any],
        episodes: list[Any],
        explore: bool | None = None,
        shared_data: dict[str, Any] | None = None,
        metrics: MetricsLogger | None = None,
        **kwargs: Any,
    ) -> Any:
        """Book the step that has just been added to the episodes; return the batch as it came.

        Raises:
            ConfigError: The env hides its ground truth, or cannot say it of all goals.
        """
        infos = kwargs[Columns.INFOS]
        stepped = [i for i, episode in enumerate(episodes) if len(episode) > 0]
        for i in set(range(len(episodes))).difference(stepped):
            pop_ground_truth(infos[i])
        if not stepped:
            return batch
        goal_ids = self._env.unwrapped.goal_ids(stepped)
        for goal_id, i in zip(goal_ids, stepped, strict=True):
            episode = episodes[i]
            ledger = ledger_of(episode, goal_id)
            book_step(episode, ledger, infos[i])
            ledger.reward_return = ledger.env_return
            ledger.succeeded = ledger.is_success
            if self._goals is not None:
                self._goals.index(goal_id)
                infos[i][ACHIEVED] = self._achieved(i)
            if episode.is_done and metrics is not None:
                log_episode(metrics, ledger)
        if metrics is not None:
            log_steps(metrics, len(stepped), None)
        return batch

    def _achieved(self, index: int) -> npt.NDArray[np.bool_]:
        assert self._goals is not None
        found = set(self._env.unwrapped.achieved_goals([index])[0])
        return np.array([goal_id in found for goal_id in self._goals.ids])
