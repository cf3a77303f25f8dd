"""What an image tower may run on; a new runtime is a class of its own and a line in `RUNTIMES`.

They import what they run on only when they load: transformers takes seconds, which clients and the fake should not pay.
"""

from typing import TYPE_CHECKING, Literal

from vlm_rewards.encoders.encoder import Precision
from vlm_rewards.errors import ConfigError
from vlm_rewards.registry import Registry
from vlm_rewards.strict_config import StrictConfig

if TYPE_CHECKING:
    from vlm_rewards.encoders.checkpoint_encoder import CheckpointEncoder


class Runtime(StrictConfig):
    """One way to run the image tower of a checkpoint.

    Attributes:
        name: The value of `encoder` in presets.
    """

    name: str

    def suits(self, device: str, compiled: bool) -> bool:
        """Return whether `auto` takes it here: installed, and the fastest for this device.

        Args:
            device: Torch device of the towers.
            compiled: Whether a compiled tower is asked for.
        """
        raise NotImplementedError

    def load(
        self, source: str, device: str, precision: Precision, compiled: bool, reward: str = ""
    ) -> "CheckpointEncoder":
        """Load an encoder, which has not proved itself yet; the arguments are those of `load_encoder`.

        Raises:
            ConfigError: The runtime does not run here, or not so.
            CheckpointError: The folder or repository is no usable dual encoder.
        """
        raise NotImplementedError


class OpenVINO(Runtime):
    """OpenVINO on a CPU; torch runs the text tower."""

    name: Literal["openvino"] = "openvino"

    def suits(self, device: str, compiled: bool) -> bool:
        """Return whether the device is a CPU and the runtime is installed."""
        from vlm_rewards.encoders.image_graph import openvino_is_installed

        return device == "cpu" and not compiled and openvino_is_installed()

    def load(
        self, source: str, device: str, precision: Precision, compiled: bool, reward: str = ""
    ) -> "CheckpointEncoder":
        """Load an `OpenVINOEncoder`."""
        if device != "cpu" or compiled:
            raise ConfigError(f"encoder 'openvino' runs on device 'cpu' without compiled, not {device!r}; use 'torch'")
        from vlm_rewards.encoders.checkpoint import Checkpoint
        from vlm_rewards.encoders.openvino_encoder import OpenVINOEncoder

        return OpenVINOEncoder(Checkpoint.load(source), precision, reward=reward)


class Torch(Runtime):
    """PyTorch on any device."""

    name: Literal["torch"] = "torch"

    def suits(self, device: str, compiled: bool) -> bool:
        """Return True: PyTorch runs everywhere."""
        return True

    def load(
        self, source: str, device: str, precision: Precision, compiled: bool, reward: str = ""
    ) -> "CheckpointEncoder":
        """Load a `TransformersEncoder`."""
        from vlm_rewards.encoders.checkpoint import Checkpoint
        from vlm_rewards.encoders.transformers_encoder import TransformersEncoder

        return TransformersEncoder(Checkpoint.load(source), device, precision, compiled, reward)


# `auto` takes the first that suits.
RUNTIMES: Registry[Runtime] = Registry("encoder", "name", OpenVINO, Torch)


def runtime(name: str, device: str, compiled: bool) -> Runtime:
    """Return the runtime of a name.

    Args:
        name: Its name, or `auto` for the first that suits.
        device: See `Runtime.suits`.
        compiled: See `Runtime.suits`.

    Raises:
        ConfigError: There is none of this name.
    """
    if name != "auto":
        known: Runtime = RUNTIMES.parse({"name": name})
        return known
    every: list[Runtime] = [RUNTIMES.parse({"name": known}) for known in RUNTIMES]
    return next(one for one in every if one.suits(device, compiled))
