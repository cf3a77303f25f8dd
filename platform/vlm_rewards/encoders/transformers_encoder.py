"""A frozen CLIP-family model run by transformers on torch."""

import logging

import numpy as np
import numpy.typing as npt
import torch

from vlm_rewards.encoders.checkpoint import Checkpoint
from vlm_rewards.encoders.checkpoint_encoder import CheckpointEncoder, unit_rows
from vlm_rewards.encoders.encoder import Precision
from vlm_rewards.encoders.passes import Passes
from vlm_rewards.encoders.precision import check_cpu, check_precision
from vlm_rewards.errors import ConfigError

_LOG = logging.getLogger(__name__)

# Larger passes are no faster on a CPU (measured from 8 on), and a lone frame may have to be padded to one.
_CPU_PASS = 8
_GPU_PASS = 64


class TransformersEncoder(CheckpointEncoder):
    """Runs both towers on torch, on any of its devices.

    Calls are read-only on the model, so threads may share one.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str = "cpu",
        precision: Precision = "fp32",
        compiled: bool = False,
        reward: str = "",
    ) -> None:
        """Prepare a loaded checkpoint for inference; its model is changed in place.

        Args:
            checkpoint: As loaded.
            device: Torch device.
            precision: That of both towers. `auto` is bf16 on an accelerator, if its rewards were found to agree with
                fp32's, and fp32 on a CPU, whose fastest precisions are OpenVINO's.
            compiled: Run the image tower through `torch.compile` with CUDA graphs, one a pass size. It pays on GPUs
                only (a CPU gained nothing) and has not been run on one by us: compare before you rely on it.
            reward: `RewardConfig.agreement_key` of the reward in use, for `auto`; empty where it is not known.

        Raises:
            ConfigError: A device or precision that this machine lacks.
            CheckpointError: Its towers do not run together with its image processor and tokenizer.
        """
        check_precision(precision)
        torch_device = _usable_device(device)
        if precision == "int8":
            raise ConfigError("precision 'int8' needs encoder 'openvino' on device 'cpu'; use 'bf16' or 'fp32'")
        super().__init__(checkpoint, torch_device)
        if precision == "auto":
            precision = self._fastest(reward)
        if torch_device.type == "cpu":
            check_cpu(precision, "torch")
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        # Fused kernels round differently.
        self._identify(precision, {"precision": precision, **({"runtime": "torch.compile"} if compiled else {})})
        self._prepare_towers(self._dtype)
        self._image_features = self._model.get_image_features
        self._check_towers(self._image_dim)
        if compiled:
            self._image_features = torch.compile(self._image_features, mode="reduce-overhead", dynamic=False)
        largest, smallest = (_CPU_PASS, 1) if torch_device.type == "cpu" else (_GPU_PASS, _CPU_PASS)
        # Each size is compiled alone, which takes long; a pass of 8 costs a GPU little more than one of 1.
        smallest = _CPU_PASS if compiled else smallest
        self.passes = Passes.proven(self._embed_pass, self.image_size, largest, smallest)

    def _fastest(self, reward: str) -> Precision:
        if "bf16" in self.agreeing("torch", reward) and self._device.type != "cpu":
            return "bf16"
        hint = "install openvino" if self._device.type == "cpu" else "name the precision: no agreement is recorded"
        _LOG.info("precision 'auto' of %s is fp32 on %s; for more speed %s", self.source, self._device.type, hint)
        return "fp32"

    def _embed_pass(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            pixels = self._preprocessing(frames, self._device).to(self._dtype)
            return unit_rows(self._image_features(pixel_values=pixels)).cpu().numpy()


def _usable_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"device {name!r} cannot be used here ({str(error).splitlines()[0]}); try 'cpu'") from error
    return device
