"""PPO's learner without the steps that never count."""

from typing import Any

import tree
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns

from vlm_rewards.rllib.adam_learner import AdamLearner
from vlm_rewards.rllib.compiled_learner import CompiledLearner
from vlm_rewards.rllib.eye_learner import EyeLearner


class DropBootstrapSteps(ConnectorV2):
    """Removes from the train batch the steps that the loss masks out.

    RLlib lengthens every episode by one step, to compute the value of its last observation together with the others,
    and then carries that step through all epochs under a mask. Here an agent that has learned opens an app in one or
    two steps, so up to half of each batch would be such steps. Sequences of recurrent modules stay as they are.
    """

    def __call__(self, *, rl_module: Any, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> dict[str, Any]:
        """Return the batch with the masked rows of each module's part taken out."""
        for module_id, part in batch.items():
            mask = part.get(Columns.LOSS_MASK)
            if mask is not None and not rl_module[module_id].is_stateful():
                batch[module_id] = tree.map_structure(lambda rows, mask=mask: rows[mask], part)
        return batch


class BootstrapFreePPOLearner(EyeLearner, CompiledLearner, AdamLearner, PPOTorchLearner):
    """RLlib's PPO learner; its train batches hold the sampled steps and nothing else. It teaches the eye, if any."""

    def build(self) -> None:
        """Build the learner and put `DropBootstrapSteps` behind the computation of the advantages."""
        super().build()
        if self._learner_connector is not None:
            self._learner_connector.append(DropBootstrapSteps())
