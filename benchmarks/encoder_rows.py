"""CPU encoders in each precision against torch and against the machine, and the GPU encoder where there is one."""

import contextlib
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.apps import vit_b32
from benchmarks.row import MISSING, Row, benchmark
from experiments.shared.preset_files import load_preset
from vlm_rewards.encoders import Encoder, load_encoder
from vlm_rewards.encoders.image_graph import openvino_is_installed
from vlm_rewards.encoders.openvino_encoder import OpenVINOEncoder
from vlm_rewards.encoders.precision import cpu_runs
from vlm_rewards.encoders.quantisation import quantise
from vlm_rewards.errors import ConfigError
from vlm_rewards.reward_model import RewardConfig

BATCH = 16
# Of ViT-B/32's image tower for one image, multiply and add counted.
GFLOP_AN_IMAGE = 8.8
TRAPPED = "processor traps on bf16; ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 makes it run without AMX"


def rates(
    calls: dict[str, Callable[[], object]],
    work: dict[str, float],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return work a second of each call, the median of rounds in which all take turns.

    Args:
        calls: Calls by name.
        work: What one call of each is worth, in any unit.
        rounds: How often each is timed, after one call to warm up.
        clock: Clock in seconds; processor time says what arithmetic on a CPU costs, however busy the machine is.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            start = clock()
            call()
            if turn:
                seconds[name].append(clock() - start)
    return {name: work[name] / statistics.median(times) for name, times in seconds.items()}


def matmul(device: str, size: int) -> tuple[Callable[[], object], float]:
    """Return a bf16 product on a device and its GFLOP."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))

    def multiply() -> None:
        for _ in range(4):
            left @ right
        if device != "cpu":
            torch.cuda.synchronize()

    return multiply, 4 * 2 * size**3 / 1e9


def _frames(batch: int) -> np.ndarray:
    # The reward frames of a 4:3 world, so that preprocessing has something to resize.
    return np.random.default_rng(0).integers(0, 256, (batch, 240, 320, 3), dtype=np.uint8)


def _cpu_encoders(model: str) -> dict[str, Encoder]:
    """Load a model in all that this machine can do with it, by runtime and precision."""
    load = partial(load_encoder, model, self_check=False)
    encoders = {"torch fp32": load(encoder="torch")}
    if cpu_runs("bf16", "torch"):
        encoders["torch bf16"] = load(encoder="torch", precision="bf16")
    if not openvino_is_installed():
        return encoders
    for precision in ("fp32", "bf16", "int8"):
        if precision != "fp32" and not cpu_runs(precision, "openvino"):
            continue
        # A model without an int8 tower is told so by its error.
        with contextlib.suppress(ConfigError):
            encoders[f"openvino {precision}"] = load(encoder="openvino", precision=precision)
    return encoders


def _best(found: dict[str, float]) -> str:
    return max((name for name in found if name.startswith(("openvino", "torch"))), key=lambda name: found[name])


def _milliseconds(found: dict[str, float]) -> str:
    return "processor ms an image: " + ", ".join(f"{name} {1000 / value:.3g}" for name, value in found.items())


@benchmark("encoder-fp32", "encoder-bf16", "encoder-matmul")
def encoders(quick: bool) -> list[Row]:
    """Measure the fastest CPU encoder, preprocessing included, at batch 16 on ViT-B/32."""
    frames = _frames(BATCH)
    with tempfile.TemporaryDirectory() as folder:
        model = str(vit_b32(Path(folder) / "vit"))
        if openvino_is_installed() and importlib.util.find_spec("nncf"):
            quantise(model, _frames(32), "noise")  # random weights: for its speed alone
        candidates = _cpu_encoders(model)
        calls: dict[str, Callable[[], object]] = {
            name: partial(encoder.embed_images, frames) for name, encoder in candidates.items()
        }
        work = dict.fromkeys(calls, float(BATCH))
        if "torch bf16" in candidates:
            calls["matmul"], work["matmul"] = matmul("cpu", 1024 if quick else 2048)
        found = rates(calls, work, rounds=2 if quick else 7, clock=time.process_time)
    product = found.pop("matmul", MISSING)
    best = _best(found)
    gflops = found[best] * GFLOP_AN_IMAGE
    torch_bf16 = found.get("torch bf16", MISSING)
    note = f"best {best}; {_milliseconds(found)}"
    return [
        Row("encoder-fp32", "fastest CPU encoder / torch fp32 eager, ViT-B/32, batch 16, preprocessing included",
            found[best] / found["torch fp32"], 3, ">=", note=note),
        Row("encoder-bf16", "fastest CPU encoder / torch bf16, the same", found[best] / torch_bf16, 1.1, ">=",
            note=f"best {best}" if "torch bf16" in found else TRAPPED),
        Row("encoder-matmul", "fastest CPU encoder / torch's bf16 matmul rate", gflops / product, 0.85, ">=",
            note=f"{gflops:.0f} GFLOP/s, matmul {product:.0f}" if "torch bf16" in found else TRAPPED),
    ]  # fmt: skip


# With each packaged model, a preset that trains on it, or the settings of a study's arm over one that does.
_REWARDS: dict[str, tuple[str, dict[str, object]]] = {
    "pocket-android": ("demo", {}),
    "pocket-l": ("find_small", {}),
    "pocket-m": ("find_small", {"beta": 0.2303898}),
    "pocket-s": ("open_diverse", {}),
    "pocket-xs": ("find_small", {"beta": 0.9079228}),
}


@benchmark(*(f"encoder-{model}" for model in _REWARDS))
def packaged_encoders(quick: bool) -> list[Row]:
    """Measure what `precision: auto` chooses for a packaged model against torch fp32 eager, at batch 64."""
    rows = []
    for model, (preset, changes) in _REWARDS.items():
        values = load_preset("train", preset)["reward"] | changes | {"model": model, "precision": "auto"}
        chosen = RewardConfig(**values).load_encoder()
        auto = f"openvino {chosen.precision}" if isinstance(chosen, OpenVINOEncoder) else "torch fp32"
        candidates = _cpu_encoders(model)
        frames = np.random.default_rng(0).integers(0, 256, (64, *chosen.image_size, 3), dtype=np.uint8)
        calls: dict[str, Callable[[], object]] = {
            name: partial(encoder.embed_images, frames) for name, encoder in candidates.items()
        }
        found = rates(calls, dict.fromkeys(calls, 64.0), rounds=2 if quick else 9, clock=time.process_time)
        rows.append(
            Row(f"encoder-{model}", f"{model} as auto chooses it for {preset} / torch fp32 eager, batch 64",
                found[auto] / found["torch fp32"], 3, ">=", note=f"auto {auto}; {_milliseconds(found)}")
        )  # fmt: skip
    return rows


@benchmark("gpu-encoder-fp32", "gpu-encoder-matmul")
def gpu_encoders(quick: bool) -> list[Row]:
    """Measure the encoder on a GPU: bf16 and compiled, against torch fp32 eager and the GPU's own matmul rate."""
    whats = (
        "GPU encoder (bf16, compiled) / torch fp32 eager, ViT-B/32, batch 256, preprocessing included",
        "GPU encoder / its bf16 matmul rate",
    )
    if not torch.cuda.is_available():
        return [
            Row("gpu-encoder-fp32", whats[0], MISSING, 3.5, ">=", note="no GPU found"),
            Row("gpu-encoder-matmul", whats[1], MISSING, 0.3, ">=", note="no GPU found"),
        ]
    frames = _frames(256)
    with tempfile.TemporaryDirectory() as folder:
        load = partial(load_encoder, str(vit_b32(Path(folder) / "vit")), "cuda", self_check=False)
        candidates = {"ours": load(precision="bf16", compiled=True), "fp32": load(precision="fp32")}
        calls: dict[str, Callable[[], object]] = {
            name: partial(encoder.embed_images, frames) for name, encoder in candidates.items()
        }
        work = dict.fromkeys(calls, float(len(frames)))
        calls["matmul"], work["matmul"] = matmul("cuda", 8192)
        found = rates(calls, work, rounds=3 if quick else 20)
    gflops = found["ours"] * GFLOP_AN_IMAGE
    return [
        Row("gpu-encoder-fp32", whats[0], found["ours"] / found["fp32"], 3.5, ">=",
            note=f"{found['ours']:.0f} img/s, fp32 {found['fp32']:.0f}"),
        Row("gpu-encoder-matmul", whats[1], gflops / found["matmul"], 0.3, ">=",
            note=f"{gflops / 1e3:.1f} TFLOP/s, matmul {found['matmul'] / 1e3:.0f}"),
    ]  # fmt: skip
