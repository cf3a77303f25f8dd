"""Which arithmetic a machine can do, found out without dying of it."""

import functools
import os
import subprocess
import sys
from typing import Literal

from vlm_rewards.encoders.encoder import Precision
from vlm_rewards.errors import ConfigError

Runtime = Literal["torch", "openvino"]

_ISA_VARIABLE = "ONEDNN_MAX_CPU_ISA"
_TRIALS = {
    "torch": "import torch; a = torch.ones(64, 64, dtype=torch.bfloat16); print(float((a @ a).sum()))",
    "openvino": (
        "import sys; sys.modules['openvino_telemetry'] = None\n"
        "import numpy as np, openvino as ov, openvino.opset13 as ops\n"
        "x, w = ops.parameter([64, 64], np.float32), ops.constant(np.ones((64, 64), np.float32))\n"
        "model = ov.Model([ops.matmul(x, w, False, False)], [x])\n"
        "compiled = ov.Core().compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'bf16'})\n"
        "print(compiled(np.ones((64, 64), np.float32))[0].sum())\n"
    ),
}


def resolve_precision(precision: Precision, device: str, runtime: Runtime) -> Literal["fp32", "bf16"]:
    """Says what `auto` means here; other values are returned as they are.

    On a CPU it is bf16 only with AMX: where AVX-512 alone computes it, bf16 was slower than fp32 (81 against 124
    GFLOP/s on one core of a machine whose AMX is trapped).

    Args:
        precision: as configured.
        device: type of torch device.
        runtime: that will compute.

    Raises:
        ConfigError: no such precision.
    """
    if precision == "auto":
        if device != "cpu":
            return "bf16"
        return "bf16" if _announces_amx() and cpu_runs_bf16(runtime) else "fp32"
    if precision not in ("fp32", "bf16"):
        raise ConfigError(f"unknown precision {precision!r}; use 'auto', 'fp32' or 'bf16'")
    return precision


def check_cpu_bf16(runtime: Runtime) -> None:
    """Refuses bf16 on a processor that would end the process.

    Raises:
        ConfigError: it would.
    """
    if not cpu_runs_bf16(runtime):
        raise ConfigError(
            "this processor announces AMX but dies of it (bf16 would end the process); "
            f"use precision 'fp32', or set the environment variable {_ISA_VARIABLE}=AVX512_CORE_BF16 before starting"
        )


@functools.cache
def cpu_runs_bf16(runtime: Runtime = "torch") -> bool:
    """Tries a bf16 product in a process of its own: some virtual machines announce AMX and then trap on it."""
    if not _announces_amx():
        return True
    done = subprocess.run(
        [sys.executable, "-c", _TRIALS[runtime]], capture_output=True, env=os.environ.copy(), check=False
    )
    return done.returncode == 0


def _announces_amx() -> bool:
    """Whether the processor has AMX and oneDNN, which both runtimes compute with, has not been told to leave it."""
    import torch

    limit = os.environ.get(_ISA_VARIABLE, "DEFAULT").upper()
    return torch.cpu._is_amx_tile_supported() and ("AMX" in limit or limit in ("DEFAULT", "ALL"))
