"""The default CPU encoder against torch and against the machine, and the GPU encoder where there is one."""

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
from vlm_rewards.encoders import Encoder, load_encoder
from vlm_rewards.encoders.precision import cpu_runs_bf16

BATCH = 16
# Of ViT-B/32's image tower for one image, multiply and add counted.
GFLOP_AN_IMAGE = 8.8
TRAPPED = "processor traps on bf16; ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 makes it run without AMX"


def rates(calls: dict[str, Callable[[], object]], work: dict[str, float], rounds: int) -> dict[str, float]:
    """Returns work a second of each call, the median of rounds in which all take turns.

    Args:
        calls: by name.
        work: what one call of each is worth, in any unit.
        rounds: how often each is timed, after one call to warm up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: work[name] / statistics.median(times) for name, times in seconds.items()}


def _matmul(device: str, size: int) -> tuple[Callable[[], object], float]:
    """Returns a bf16 product on a device and its GFLOP."""
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


@benchmark("encoder-fp32", "encoder-bf16", "encoder-matmul")
def encoders(quick: bool) -> list[Row]:
    """The default encoder, preprocessing included, at batch 16 on ViT-B/32."""
    frames = _frames(BATCH)
    with tempfile.TemporaryDirectory() as folder:
        load = partial(load_encoder, str(vit_b32(Path(folder) / "vit")), self_check=False)
        default = load(precision="auto")
        candidates: dict[str, Encoder] = {"default": default, "fp32": load(encoder="torch", precision="fp32")}
        torch_bf16 = cpu_runs_bf16("torch")
        if torch_bf16:
            candidates["bf16"] = load(encoder="torch", precision="bf16")
        calls: dict[str, Callable[[], object]] = {
            name: partial(encoder.embed_images, frames) for name, encoder in candidates.items()
        }
        work = dict.fromkeys(calls, float(BATCH))
        if torch_bf16:
            calls["matmul"], work["matmul"] = _matmul("cpu", 1024 if quick else 2048)
        found = rates(calls, work, rounds=2 if quick else 15)
    name = f"{type(default).__name__} {getattr(default, 'precision', '')}"
    ours = f"{name} {found['default']:.1f} img/s"
    gflops = found["default"] * GFLOP_AN_IMAGE
    bf16 = found["default"] / found["bf16"] if torch_bf16 else MISSING
    matmul = gflops / found["matmul"] if torch_bf16 else MISSING
    return [
        Row("encoder-fp32", "default CPU encoder / torch fp32 eager, ViT-B/32, batch 16, preprocessing included",
            found["default"] / found["fp32"], 3.5, ">=", note=f"{ours}, torch fp32 {found['fp32']:.1f}"),
        Row("encoder-bf16", "default CPU encoder / torch bf16, the same", bf16, 1.1, ">=",
            note=f"{ours}, torch bf16 {found['bf16']:.1f}" if torch_bf16 else TRAPPED),
        Row("encoder-matmul", "default CPU encoder / torch's bf16 matmul rate", matmul, 0.85, ">=",
            note=f"{gflops:.0f} GFLOP/s, matmul {found['matmul']:.0f}" if torch_bf16 else TRAPPED),
    ]  # fmt: skip


@benchmark("gpu-encoder-fp32", "gpu-encoder-matmul")
def gpu_encoders(quick: bool) -> list[Row]:
    """The encoder on a GPU: bf16 and compiled, against torch fp32 eager and the GPU's own matmul rate."""
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
        calls["matmul"], work["matmul"] = _matmul("cuda", 8192)
        found = rates(calls, work, rounds=3 if quick else 20)
    gflops = found["ours"] * GFLOP_AN_IMAGE
    return [
        Row("gpu-encoder-fp32", whats[0], found["ours"] / found["fp32"], 3.5, ">=",
            note=f"{found['ours']:.0f} img/s, fp32 {found['fp32']:.0f}"),
        Row("gpu-encoder-matmul", whats[1], gflops / found["matmul"], 0.3, ">=",
            note=f"{gflops / 1e3:.1f} TFLOP/s, matmul {found['matmul'] / 1e3:.0f}"),
    ]  # fmt: skip
