"""How the eye's loss reaches a learner: targets from the steps' infos, and a term beside the algorithm's own loss."""

from typing import Any, cast

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from torch import Tensor

from vlm_rewards.rllib.eye import EYE_MASK, EYE_PREDICTIONS, EYE_TARGETS, eye_loss
from vlm_rewards.rllib.rl_module import GoalConditionedModule
from vlm_rewards.rllib.training_goals import EMBEDDING, TrainingGoals


class AddEyeTargets(ConnectorV2):
    """Adds to each step of the episodes what the reward model says of its observation.

    It goes before RLlib's own pieces of a learner's pipeline, so that it works for sequences too. Off-policy learners
    need none: their replay makes the targets, for the goal that a step is relabelled with.
    """

    def __init__(self, goals: TrainingGoals) -> None:
        """Make the piece.

        Args:
            goals: The training goals, with captions.
        """
        super().__init__()
        self._goals = goals

    def get_ctor_args_and_kwargs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what a checkpoint needs to rebuild this piece."""
        return (), {"goals": self._goals}

    def __call__(self, *, rl_module: Any, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> dict[str, Any]:
        """Return the batch with `EYE_TARGETS` and `EYE_MASK` for every step."""
        captions = self._goals.captions
        assert captions is not None
        for episode in self.single_agent_episode_iterator(episodes, agents_that_stepped_only=False):
            steps = len(episode)
            infos = episode.get_infos(slice(0, steps))
            targets = np.zeros((steps, captions.shape[1]), np.float32)
            mask = np.array([EMBEDDING in info for info in infos])
            if mask.any():
                own = captions[self._goals.index(next(info["goal_id"] for info in infos if EMBEDDING in info))]
                targets[mask] = np.stack([info[EMBEDDING] for info in infos if EMBEDDING in info]) @ own.T
            for name, items in ((EYE_TARGETS, targets), (EYE_MASK, mask)):
                self.add_n_batch_items(batch, name, list(items), steps, episode)
        return batch


class EyeLearner(TorchLearner):
    """Adds the eye's loss where the module has an eye; put it before an algorithm's learner among a class's bases."""

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> Tensor:
        """Return the algorithm's own loss plus the weighted mean squared error of the eye, a float32 scalar."""
        loss: Any = super().compute_loss_for_module(  # type: ignore[safe-super]  # a mixin
            module_id=module_id, config=config, batch=batch, fwd_out=fwd_out
        )
        if EYE_PREDICTIONS not in fwd_out:
            return cast(Tensor, loss)
        eye = eye_loss(fwd_out, batch)
        self.metrics.log_value((module_id, "eye_loss"), eye.detach(), window=1)
        module = cast(GoalConditionedModule, self.module[module_id].unwrapped())
        return cast(Tensor, loss + module.eye_weight * eye)
