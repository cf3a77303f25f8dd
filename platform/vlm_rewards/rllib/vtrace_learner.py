"""The learners of IMPALA and APPO, with the right values at the ends of episodes, and without silent deaths."""

import threading
from typing import Any

import torch
from ray.rllib.algorithms.appo.torch.appo_torch_learner import APPOTorchLearner
from ray.rllib.algorithms.impala.impala_learner import IMPALALearner
from ray.rllib.algorithms.impala.torch.impala_torch_learner import IMPALATorchLearner
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns

from vlm_rewards.rllib.adam_learner import AdamLearner

# A log-probability of the behaviour policy beside which every importance weight pi / mu is 0 in float32.
_CERTAIN = 1e3


class MuteBootstrapSteps(ConnectorV2):
    """Takes from the steps that the loss masks out their say in V-trace.

    RLlib lengthens every piece of an episode by one step, to have the value of its last observation among the others.
    PPO can drop these steps once advantages are known. Here V-trace is computed in the loss, with the values of that
    moment, so they must stay. But RLlib (2.60) treats such a step as one that was taken, with reward 0 and nothing
    after it: its temporal difference 0 - V(s_T), carried back by the trace, cancels the gamma V(s_T) that it was
    added for. On-policy the last real step gets the target r instead of r + gamma V(s_T), at every time limit and at
    every cut between two samples. With an importance weight of 0 its target is V(s_T) itself, as equation 1 of the
    IMPALA paper has it. Terminated episodes need nothing: their last step has discount 0.
    """

    def __call__(self, *, rl_module: Any, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> dict[str, Any]:
        """Return the batch with the behaviour policy's log-probabilities of masked steps replaced."""
        for part in batch.values():
            mask, logp = part[Columns.LOSS_MASK], part[Columns.ACTION_LOGP]
            part[Columns.ACTION_LOGP] = torch.where(mask, logp, torch.full_like(logp, _CERTAIN))
        return batch


class VTraceLearner(IMPALALearner):
    """What both learners add to RLlib's.

    Bootstrap values count; see `MuteBootstrapSteps`. An error in the thread that learns is raised by `update`: RLlib
    (2.60) waits for ever for a thread that has died. And a checkpoint is never taken in the middle of a gradient step.
    """

    def build(self) -> None:
        """Build the learner, its thread included."""
        self._gradient_lock = threading.RLock()
        self._gradient_error: Exception | None = None
        super().build()
        if self._learner_connector is not None:
            self._learner_connector.append(MuteBootstrapSteps())
        # The thread waits for its first batch: nothing has used the method yet.
        thread: Any = self._learner_thread
        self._unguarded_step = thread._update_method
        thread._update_method = _guarded_step

    def update(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Hand a batch to the thread that learns, and return the results that it has by now.

        Raises:
            Exception: What a gradient step has raised.
        """
        if self._gradient_error is None:
            result = super().update(*args, **kwargs)
        if self._gradient_error is not None:
            raise self._gradient_error
        return result

    def get_state(self, *args: Any, **kwargs: Any) -> Any:
        """Return the state between two gradient steps."""
        with self._gradient_lock:
            return super().get_state(*args, **kwargs)

    def set_state(self, *args: Any, **kwargs: Any) -> None:
        """Set the state between two gradient steps."""
        with self._gradient_lock:
            super().set_state(*args, **kwargs)

    def save_to_path(self, *args: Any, **kwargs: Any) -> str:
        """Save weights and optimizer as they were between two gradient steps."""
        with self._gradient_lock:
            return super().save_to_path(*args, **kwargs)


def _guarded_step(*, self: VTraceLearner, **kwargs: Any) -> Any:
    try:
        with self._gradient_lock:
            return self._unguarded_step(self=self, **kwargs)
    except Exception as error:
        self._gradient_error = error
        # Wakes `update`, which waits for a step that will not come.
        self._agg_event.set()
        raise


class VTraceIMPALALearner(VTraceLearner, AdamLearner, IMPALATorchLearner):  # type: ignore[misc]  # RLlib disagrees with itself
    """IMPALA's learner."""


class VTraceAPPOLearner(VTraceLearner, AdamLearner, APPOTorchLearner):  # type: ignore[misc]  # likewise
    """APPO's learner."""
