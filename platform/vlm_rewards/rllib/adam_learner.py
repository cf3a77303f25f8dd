"""What a gradient step costs beside the network: Adam in one pass, and one look at whether gradients are finite."""

from collections.abc import Hashable
from typing import Any

import torch
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from torch.nn.utils import get_total_norm


class AdamLearner(TorchLearner):
    """RLlib's learner with less work around the network; put it before an algorithm's learner among a class's bases.

    For networks as small as an agent's, RLlib's (2.60) two checks of each parameter's gradient and an optimizer that
    goes through the parameters one by one take a tenth of the learner's time on a CPU.
    """

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Register Adam as one fused kernel, with the epsilon of the configuration where it has one."""
        params = self.get_parameters(self.module[module_id])
        self.register_optimizer(
            module_id=module_id,
            optimizer=torch.optim.Adam(params, eps=getattr(config, "adam_epsilon", 1e-8), fused=True),
            params=params,
            lr_or_lr_schedule=config.lr,
        )

    def apply_gradients(self, gradients_dict: dict[Hashable, Any]) -> None:
        """Step all optimizers; what is not finite is RLlib's matter, as are its own schedulers and scalers."""
        gradients = [gradient for gradient in gradients_dict.values() if gradient is not None]
        # A norm is finite if all its parts are: they have been clipped, so the sum cannot overflow.
        plain = self._grad_scalers is None and self._lr_scheduler_classes is None
        if not plain or not torch.isfinite(get_total_norm(gradients)):
            super().apply_gradients(gradients_dict)
            return
        for pid, gradient in gradients_dict.items():
            self._params[pid].grad = gradient
        for module_id, names in self._module_optimizers.items():
            for name in names:
                self.get_optimizer(module_id, name).step()
