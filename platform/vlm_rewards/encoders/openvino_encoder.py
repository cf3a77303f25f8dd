"""A frozen CLIP-family model whose image tower OpenVINO runs on the CPU."""

import importlib.util
import sys
import threading
import types
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vlm_rewards.encoders.checkpoint import Checkpoint
from vlm_rewards.encoders.checkpoint_encoder import CheckpointEncoder, unit_rows
from vlm_rewards.encoders.compiled_models import CompiledModels
from vlm_rewards.encoders.encoder import Precision
from vlm_rewards.encoders.passes import Passes
from vlm_rewards.encoders.precision import check_cpu_bf16, resolve_precision
from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.errors import CheckpointError, ConfigError

# Frames in the largest pass: ViT-B/32 gains nothing beyond it, and activations stay small.
_LARGEST_PASS = 16
_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVINOEncoder(CheckpointEncoder):
    """Runs the image tower on OpenVINO, converted from torch, and the text tower on torch in fp32.

    Normalisation is part of the compiled graph, so frames of the model's own size go in as they came. Threads may
    share an encoder: one pass runs at a time.
    """

    def __init__(self, checkpoint: Checkpoint, precision: Precision = "fp32", threads: int | None = None) -> None:
        """Compiles a loaded checkpoint, or takes the compiled model from the user's cache; its model is used up.

        Args:
            checkpoint: as loaded.
            precision: of the image tower; `auto` is bf16 where the processor has AMX, else fp32.
            threads: of one pass; None takes torch's number.

        Raises:
            ConfigError: OpenVINO is not installed, or a precision that this machine lacks.
            CheckpointError: the image tower cannot be converted, or does not run together with the rest.
        """
        ov = import_openvino()
        precision = resolve_precision(precision, "cpu", "openvino")
        if precision == "bf16":
            check_cpu_bf16("openvino")
        identity = {"precision": precision, "runtime": "openvino"}
        super().__init__(checkpoint, precision, identity, torch.device("cpu"), torch.float32)
        self._lock = threading.Lock()
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": threads or torch.get_num_threads(),
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Replicas on one machine would all be pinned to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        core = ov.Core()
        store = CompiledModels(core, {**self.parts, **identity, **{key: str(value) for key, value in options.items()}})
        found = store.load(options)
        compiled = found[0] if found else core.compile_model(self._converted(ov, checkpoint), "CPU", options)
        got = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if got not in (_HINTS[precision], {"fp32": "float32", "bf16": "bfloat16"}[precision]):
            raise ConfigError(f"OpenVINO computes in {got} on this processor, not {precision}; use precision 'fp32'")
        self._request = compiled.create_infer_request()
        self._check_towers(self._image_dim)
        # It has been converted, and would hold its memory for nothing.
        if hasattr(self._model, "vision_model"):
            self._model.vision_model = None
        if found:
            self.passes = Passes(self._embed_pass, found[1])
        else:
            self.passes = Passes.proven(self._embed_pass, self.image_size, _LARGEST_PASS)
            store.save(compiled, self.passes.sizes)

    def _embed_pass(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        pixels = np.ascontiguousarray(self._preprocessing.resized_frames(frames))
        with self._lock:
            # The output belongs to the request, which the next pass overwrites.
            return self._request.infer([pixels], share_inputs=True)[0].copy()

    def _converted(self, ov: types.ModuleType, checkpoint: Checkpoint) -> Any:
        height, width = self.image_size
        tower = _ImageTower(self._model, checkpoint.preprocessing.scale_and_shift()).eval()
        example = torch.zeros((2, height, width, 3), dtype=torch.uint8)
        self._check_towers(lambda: tower(example[:1]).shape[1])
        try:
            with torch.no_grad(), warnings.catch_warnings(), quiet_transformers():
                warnings.simplefilter("ignore")  # tracing warns of every shape that it takes for fixed, as it shall
                model = ov.convert_model(
                    tower, example_input=example, input=[(ov.PartialShape([-1, height, width, 3]), ov.Type.u8)]
                )
        except Exception as error:  # what the converter raises is of many kinds
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"OpenVINO cannot convert the image tower of {self.source} ({reason}); use encoder 'torch'"
            ) from error
        return model


class _ImageTower(torch.nn.Module):
    """From frames of the model's size, uint8 (N, H, W, 3), to embeddings of length 1, float32 (N, D)."""

    def __init__(self, model: Any, scale_and_shift: tuple[torch.Tensor, torch.Tensor]) -> None:
        super().__init__()
        self.model = model
        self.scale, self.shift = (torch.nn.Buffer(tensor.view(1, 3, 1, 1)) for tensor in scale_and_shift)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        pixels = frames.permute(0, 3, 1, 2).float() * self.scale - self.shift
        return unit_rows(self.model.get_image_features(pixel_values=pixels))


def openvino_is_installed() -> bool:
    """Whether `OpenVINOEncoder` can be used."""
    return importlib.util.find_spec("openvino") is not None


def import_openvino() -> types.ModuleType:
    """Imports OpenVINO, without the package by which it would report each import and conversion to its makers.

    Raises:
        ConfigError: it is not installed.
    """
    if not openvino_is_installed():
        raise ConfigError("encoder 'openvino' needs the package openvino; install it, or use encoder 'torch'")
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
