"""Networks whose forward and backward pass TorchInductor compiles."""

import os
import shutil
import sys
from typing import Any

import torch
from ray.rllib.core.learner.torch.torch_learner import TorchLearner

from vlm_rewards.errors import ConfigError


def has_compiler() -> bool:
    """Return whether this machine has the C++ compiler that TorchInductor calls: the one CXX names, or its default."""
    default = "clang++" if sys.platform == "darwin" else "g++"
    return shutil.which(os.environ.get("CXX", default)) is not None


class CompiledLearner(TorchLearner):
    """Compiles networks where `torch_compile_learner` asks; put it before an algorithm's learner among a class's bases.

    Half of what an agent's small network costs on a CPU are passes over memory that compute next to nothing: casts,
    modulation, ReLU and their gradients. A compiler makes one of several.
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
