"""A frozen CLIP-family model whose image tower OpenVINO runs on the CPU."""

import functools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vlm_rewards.encoders.checkpoint import Checkpoint
from vlm_rewards.encoders.checkpoint_encoder import CheckpointEncoder
from vlm_rewards.encoders.compiled_models import CompiledModels, made_for
from vlm_rewards.encoders.encoder import Precision
from vlm_rewards.encoders.fastest_precision import fastest_precision, trial
from vlm_rewards.encoders.image_graph import ImageGraph, import_openvino
from vlm_rewards.encoders.passes import Passes
from vlm_rewards.encoders.precision import check_cpu, check_precision, cpu_runs
from vlm_rewards.encoders.quantised_graph import QuantisedGraph, required
from vlm_rewards.errors import ConfigError

# Frames in the largest pass: ViT-B/32 gains nothing beyond it, and activations stay small.
_LARGEST_PASS = 16
# What is not quantised of an int8 tower is computed in float32.
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
_NAMES = {"f32": "float32", "bf16": "bfloat16"}


@functools.cache
def _core() -> Any:
    """Return the process's one core, which is never given up.

    OpenVINO 2026.4 gives the thread that makes a core a stack for signals, and puts the earlier one back when the core
    goes. Of two cores the first to come may be the first to go: the stack that is put back is then one that was freed,
    and the next signal, a SIGTERM say, ends the process by a segmentation fault.
    """
    return import_openvino().Core()


class OpenVINOEncoder(CheckpointEncoder):
    """Runs the image tower on OpenVINO, converted from torch, and the text tower on torch in fp32.

    Normalisation is part of the compiled graph, so frames of the model's own size go in as they came. Threads may
    share an encoder: one pass runs at a time.
    """

    def __init__(
        self, checkpoint: Checkpoint, precision: Precision = "fp32", threads: int | None = None, reward: str = ""
    ) -> None:
        """Compile a loaded checkpoint, or take the compiled model from the user's cache; its model is used up.

        Args:
            checkpoint: As loaded.
            precision: That of the image tower; `auto` is the fastest here of those whose rewards agree with fp32's.
            threads: Threads of one pass; None takes torch's number.
            reward: `RewardConfig.agreement_key` of the reward in use, for `auto`; empty where it is not known.

        Raises:
            ConfigError: OpenVINO is not installed, or a precision that this machine or checkpoint lacks.
            CheckpointError: The image tower cannot be converted, or does not run together with the rest.
        """
        import_openvino()  # what is missing is said before the towers are loaded
        check_precision(precision)
        super().__init__(checkpoint, torch.device("cpu"))
        self._prepare_towers(torch.float32)
        core = _core()
        graph = ImageGraph(self.source, self._model, checkpoint.preprocessing, self._check_towers)
        quantised = QuantisedGraph.read(self.records, self.parts) if precision in ("auto", "int8") else None
        chosen = self._fastest(core, graph, quantised, reward) if precision == "auto" else str(precision)
        check_cpu(chosen, "openvino")
        identity = {"precision": chosen, "runtime": "openvino"}
        if chosen == "int8":
            identity["graph"] = required(quantised, self.source).digest
        self._identify(chosen, identity)
        self._lock = threading.Lock()
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _HINTS[chosen],
            "INFERENCE_NUM_THREADS": threads or torch.get_num_threads(),
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Replicas on one machine would all be pinned to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        store = CompiledModels(core, {**self.parts, **identity, **{key: str(value) for key, value in options.items()}})
        found = store.load(options)
        compiled = found[0] if found else core.compile_model(self._to_compile(graph, quantised), "CPU", options)
        got = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if got not in (_HINTS[chosen], _NAMES[_HINTS[chosen]]):
            raise ConfigError(f"OpenVINO computes in {got} on this processor, not {chosen}; use precision 'fp32'")
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
            result: npt.NDArray[np.float32] = self._request.infer([pixels], share_inputs=True)[0].copy()
            return result

    def _to_compile(self, graph: ImageGraph, quantised: QuantisedGraph | None) -> Any:
        if self.precision != "int8":
            return graph.converted()
        return str(required(quantised, self.source).path(self.records))

    def _fastest(self, core: Any, graph: ImageGraph, quantised: QuantisedGraph | None, reward: str) -> str:
        agreeing = self.agreeing("openvino", reward, quantised.digest if quantised else "")
        # A choice kept by a machine like this one, home folders being shared, must not end the process.
        sound = [name for name in ("bf16", "int8") if name in agreeing and cpu_runs(name, "openvino")]

        def seconds_of(precision: str) -> float:
            if precision == "int8":
                return trial(required(quantised, self.source).path(self.records), _HINTS[precision])
            with graph.on_disk() as path:
                return trial(Path(path), _HINTS[precision])

        made_from = {**self.parts, "graph": quantised.digest if quantised else "", **made_for(core)}
        return fastest_precision(self.source, ["fp32", *sound], made_from, seconds_of)
