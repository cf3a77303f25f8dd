"""The image tower as OpenVINO's own graph: from frames of the model's size to embeddings of length 1."""

import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch

from vlm_rewards.encoders.checkpoint_encoder import unit_rows
from vlm_rewards.encoders.preprocessing import ImagePreprocessing
from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.errors import CheckpointError, ConfigError


class ImageGraph:
    """Converts an image tower once, when it is first asked for. Normalisation is part of the graph."""

    def __init__(
        self,
        source: str,
        model: Any,
        preprocessing: ImagePreprocessing,
        check: Callable[[Callable[[], int]], None],
    ) -> None:
        """Take a model; nothing is converted yet.

        Args:
            source: Source of the checkpoint, for errors.
            model: Folded for inference, on the CPU, in float32.
            preprocessing: Preprocessing of its image tower.
            check: Called before the conversion with a function that runs the tower on torch and returns its D: to
                refuse one that does not fit its own image processor.
        """
        self._source = source
        self._tower = _ImageTower(model, preprocessing.scale_and_shift()).eval()
        self._image_size = preprocessing.image_size
        self._check = check
        self._converted: Any = None

    def converted(self) -> Any:
        """Return the graph in float32, `openvino.Model`: uint8 (n, H, W, 3) to float32 (n, D).

        Raises:
            CheckpointError: OpenVINO cannot convert it, or the tower does not run.
        """
        if self._converted is not None:
            return self._converted
        ov = import_openvino()
        height, width = self._image_size
        example = torch.zeros((2, height, width, 3), dtype=torch.uint8)
        self._check(lambda: self._tower(example[:1]).shape[1])
        try:
            with torch.no_grad(), warnings.catch_warnings(), quiet_transformers():
                warnings.simplefilter("ignore")  # tracing warns of every shape that it takes for fixed, as it shall
                # Torch would trace it three times to compare; the encoder's self-check compares what matters.
                decoder = importlib.import_module("openvino.frontend.pytorch.ts_decoder").TorchScriptPythonDecoder(
                    self._tower, example_input=example, trace_kwargs={"check_trace": False}
                )
                self._converted = ov.convert_model(
                    decoder, example_input=example, input=[(ov.PartialShape([-1, height, width, 3]), ov.Type.u8)]
                )
        except Exception as error:  # what the converter raises is of many kinds
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"OpenVINO cannot convert the image tower of {self._source} ({reason}); use encoder 'torch'"
            ) from error
        return self._converted

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """Write the graph to a file that is there for the time of a block."""
        with TemporaryDirectory(prefix="vlm_rewards-") as folder:
            path = Path(folder) / "image_tower.xml"
            import_openvino().save_model(self.converted(), path, compress_to_fp16=False)
            yield path


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
    """Return whether OpenVINO can be used."""
    return importlib.util.find_spec("openvino") is not None


def import_openvino() -> types.ModuleType:
    """Import OpenVINO, without the package by which it would report each import and conversion to its makers.

    Raises:
        ConfigError: It is not installed.
    """
    if not openvino_is_installed():
        raise ConfigError(
            "encoder 'openvino' needs the extra [openvino]: pip install 'vlm-rewards[openvino]', or use encoder 'torch'"
        )
    cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)
    module: types.ModuleType = importlib.import_module("openvino")
    return module
