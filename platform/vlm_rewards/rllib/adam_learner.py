"""What a gradient step costs: Adam in one pass, one look at whether gradients are finite, and compiled networks."""

import os
import shutil
import sys
from collections.abc import Hashable
from typing import Any

import torch
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from torch.nn.utils import get_total_norm

from vlm_rewards.errors import ConfigError


def has_compiler() -> bool:
    """Return whether this machine has the C++ compiler that TorchInductor calls: the one CXX names, or its default."""
    default = "clang++" if sys.platform == "darwin" else "g++"
    return shutil.which(os.environ.get("CXX", default)) is not None


class AdamLearner(TorchLearner):
    """RLlib's learner with less work around the network; put it before an algorithm's learner among a class's bases.

    For networks as small as an agent's, RLlib's (2.60) two checks of each parameter's gradient and an optimizer that
    goes through the parameters one by one take a tenth of the learner's time on a CPU.
    """

    def build(self) -> None:
        """Build the learner, and compile each module's forward and backward pass where `torch_compile_learner` asks.

        Raises:
            ConfigError: There is no C++ compiler.
        """
        super().build()
        if not self.config.torch_compile_learner:
            return
        device: Any = self._device
        if device.type == "cpu" and not has_compiler():
            raise ConfigError(
                "a compiled learner needs a C++ compiler, and there is none: install g++ or clang (CXX may name one), "
                "or leave sampling.compile_learner out"
            )
        # RLlib (2.60) compiles no module of a `MultiRLModule`, which is what a learner has: it asks for the type of the
        # whole instead of the part's. One size at a time: a kernel for any size would come with the second size that
        # is met, so a training that is resumed would compute with other kernels than one that went on.
        modules: Any = self.module
        for _, module in modules.items():
            module._forward_train = torch.compile(
                module._forward_train, backend=self.config.torch_compile_learner_dynamo_backend, dynamic=False
            )

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
