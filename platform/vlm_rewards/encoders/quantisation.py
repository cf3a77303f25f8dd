"""Makes a checkpoint's int8 image tower: post-training quantisation by NNCF, calibrated on frames of the domain."""

import importlib
import importlib.metadata
import importlib.util
import logging
import tempfile
import types
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from vlm_rewards.encoders.checkpoint import Checkpoint
from vlm_rewards.encoders.checkpoint_encoder import CheckpointEncoder
from vlm_rewards.encoders.encoder import check_frames
from vlm_rewards.encoders.image_graph import ImageGraph, import_openvino
from vlm_rewards.encoders.quantised_graph import QuantisedGraph
from vlm_rewards.errors import ConfigError

# The last step brings embeddings to length 1, which no grid may touch. Sums of branches and means cost next to nothing,
# and on a grid they lose half as much as all convolutions together (pocket-l: error 0.042 with them, 0.036 without).
_LEFT_IN_FLOAT = ["ReduceL2", "Maximum", "Divide", "ReduceMean", "Add"]


def quantise(source: str, frames: npt.NDArray[np.uint8], calibrated_on: str) -> tuple[Path, QuantisedGraph]:
    """Make an int8 image tower and write it where `precision: int8` looks for it.

    Weights and activations of convolutions and matrix products become int8, each activation with one range, found on
    the frames. Biases are not corrected for the mean error: one of a mixture of domains is wrong in each of them
    (pocket-l in the playhouse: error 0.048 with it, 0.036 without). It proves nothing about rewards: compare them.

    Args:
        source: Checkpoint folder or hub id; see `resolve_model`.
        frames: uint8 (N, H, W, 3), some hundreds, of the kind that will be rewarded.
        calibrated_on: What they are, in words, for the record.

    Returns:
        The folder, and what was written into its `int8`.

    Raises:
        ConfigError: NNCF or OpenVINO is not installed, or there are no frames.
        CheckpointError: No usable checkpoint, or one that OpenVINO cannot convert.
    """
    ov, nncf = import_openvino(), _import_nncf()
    if not len(check_frames(frames)):
        raise ConfigError("calibration needs frames, some hundreds; there are none")
    checkpoint = Checkpoint.load(source)
    towers = _Towers(checkpoint)
    graph = ImageGraph(source, towers.model, checkpoint.preprocessing, towers.check).converted()
    pixels = checkpoint.preprocessing.resized_frames(frames)
    quantised = nncf.quantize(
        graph,
        nncf.Dataset([pixels[i : i + 1] for i in range(len(pixels))]),
        subset_size=len(pixels),
        # Activations after a ReLU, which have one sign, and others each get the grid that fits.
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(types=_LEFT_IN_FLOAT, validate=False),
        advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image_tower.xml"
        ov.save_model(quantised, path, compress_to_fp16=False)
        record = QuantisedGraph.write(
            towers.records,
            towers.parts,
            path.read_bytes(),
            path.with_suffix(".bin").read_bytes(),
            calibrated_on=f"{len(frames)} frames: {calibrated_on}",
            made_with={name: importlib.metadata.version(name) for name in ("nncf", "openvino", "torch")},
        )
    return towers.records, record


class _Towers(CheckpointEncoder):
    """A checkpoint prepared for inference, of which only the towers are used."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint, torch.device("cpu"))
        self._prepare_towers(torch.float32)
        self.model, self.check = self._model, self._check_towers

    def _embed_pass(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        raise NotImplementedError


def _import_nncf() -> types.ModuleType:
    if importlib.util.find_spec("nncf") is None:
        raise ConfigError("making an int8 image tower needs the package nncf; install vlm-rewards[quantise]")
    module: types.ModuleType = importlib.import_module("nncf")
    module.set_log_level(logging.ERROR)
    return module
