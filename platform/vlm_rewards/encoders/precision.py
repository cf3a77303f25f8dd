"""Which arithmetic a machine can do, found out without dying of it."""

import functools
import os
import subprocess
import sys
from typing import Literal, get_args

from vlm_rewards.encoders.encoder import Precision
from vlm_rewards.errors import ConfigError

Runtime = Literal["torch", "openvino"]

_ISA_VARIABLE = "ONEDNN_MAX_CPU_ISA"
_TRIALS = {
    "torch": "import torch; a = torch.ones(64, 64, dtype=torch.bfloat16); print(float((a @ a).sum()))",
    "openvino": (
        "import sys; sys.modules['openvino_telemetry'] = None\n"
        "import numpy as np, openvino as ov, openvino.opset13 as ops\n"
        "hint = 'bf16' if sys.argv[1] == 'bf16' else 'f32'\n"
        "x, w = ops.parameter([64, 64], np.float32), ops.constant(np.ones((64, 64), np.float32))\n"
        "limits = [np.float32(value) for value in (-1.27, 1.27, -1.27, 1.27)]\n"
        "grid = lambda node: node if hint == 'bf16' else ops.fake_quantize(node, *limits, 255)\n"
        "model = ov.Model([ops.matmul(grid(x), grid(w), False, False)], [x])\n"
        "compiled = ov.Core().compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': hint})\n"
        "print(compiled(np.ones((64, 64), np.float32))[0].sum())\n"
    ),
}


def check_precision(precision: str) -> None:
    """Refuse a name that no encoder knows.

    Raises:
        ConfigError: No such precision.
    """
    if precision not in get_args(Precision):
        raise ConfigError(f"unknown precision {precision!r}; use one of {', '.join(get_args(Precision))}")


def check_cpu(precision: str, runtime: Runtime) -> None:
    """Refuse a precision that would end the process on this processor.

    Raises:
        ConfigError: It would.
    """
    if precision != "fp32" and not cpu_runs(precision, runtime):
        raise ConfigError(
            f"this processor announces AMX but dies of it ({precision} would end the process); "
            f"use precision 'fp32', or set the environment variable {_ISA_VARIABLE}=AVX512_CORE_BF16 before starting"
        )


@functools.cache
def cpu_runs(precision: str, runtime: Runtime = "torch") -> bool:
    """Try a product in a process of its own: some virtual machines announce AMX and then trap on it.

    Args:
        precision: `bf16`, or for OpenVINO `int8`.
        runtime: That computes it.
    """
    if not _announces_amx():
        return True
    command = [sys.executable, "-c", _TRIALS[runtime], precision]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def cpu_runs_bf16(runtime: Runtime = "torch") -> bool:
    """Return whether this processor survives bf16."""
    return cpu_runs("bf16", runtime)


def _announces_amx() -> bool:
    """Return whether the processor has AMX, and oneDNN, with which both runtimes compute, may use it."""
    import torch

    limit = os.environ.get(_ISA_VARIABLE, "DEFAULT").upper()
    return torch.cpu._is_amx_tile_supported() and ("AMX" in limit or limit in ("DEFAULT", "ALL"))
