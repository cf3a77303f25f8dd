"""Compiled image towers, kept between processes: converting one takes seconds, and every replica would."""

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vlm_rewards.encoders
from vlm_rewards.encoders.user_cache import user_cache, write_whole

_LOG = logging.getLogger(__name__)
_DIGEST_BYTES = 32


def cache_folder() -> Path:
    """Return the folder of compiled models, in the user's cache folder."""
    return user_cache() / "compiled"


def made_for(core: Any) -> dict[str, str]:
    """Return what a graph or a measurement belongs to besides its model: the processor and all code involved.

    Args:
        core: `openvino.Core`.
    """
    flags = ""  # virtual machines often hide the processor's name
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
        flags = "|".join(line for line in lines if line.startswith(("cpu family", "model", "stepping", "flags")))
    return {
        "processor": str(core.get_property("CPU", "FULL_DEVICE_NAME")),
        "capabilities": str(sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))),
        "flags": flags,
        "isa": os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
        "code": _code_digest(),
        **{name: importlib.metadata.version(name) for name in ("openvino", "torch", "transformers")},
    }


class CompiledModels:
    """One compiled model's place in the cache folder.

    Its name covers all that it was made from and for: the checkpoint's parts, the options, this package's encoders, the
    versions of the libraries and the processor. A file starts with a sha256 of the rest, so a damaged one is made anew.

    Attributes:
        path: The file; it need not exist.
    """

    def __init__(self, core: Any, made_from: Mapping[str, str]) -> None:
        """Find the place.

        Args:
            core: `openvino.Core`.
            made_from: Checkpoint parts and options.
        """
        self._core = core
        key = json.dumps({**made_from, **made_for(core)}, sort_keys=True)
        name = hashlib.sha256(key.encode()).hexdigest()
        self.path = cache_folder() / f"{name}.blob"

    def load(self, options: Mapping[str, Any]) -> tuple[Any, tuple[int, ...]] | None:
        """Return the compiled model and its proven pass sizes, or None if there is none that can be trusted."""
        try:
            data = self.path.read_bytes()
        except OSError:
            return None
        digest, content = data[:_DIGEST_BYTES], memoryview(data)[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            _LOG.warning("the compiled model %s is damaged and is made anew", self.path)
            return None
        length = int.from_bytes(content[:4], "big")
        sizes = tuple(json.loads(bytes(content[4 : 4 + length])))
        return self._core.import_model(bytes(content[4 + length :]), "CPU", dict(options)), sizes

    def save(self, compiled: Any, pass_sizes: Sequence[int]) -> None:
        """Keep a compiled model; where it cannot be written, the next process makes its own."""
        header = json.dumps(list(pass_sizes)).encode()
        content = len(header).to_bytes(4, "big") + header + compiled.export_model().getvalue()
        try:
            # Replicas that start together all write; one file stays.
            write_whole(self.path, hashlib.sha256(content).digest() + content)
        except OSError as error:
            _LOG.warning("the compiled model cannot be kept in %s (%s)", self.path.parent, error)


def _code_digest() -> str:
    """Hash the modules that make a graph, so that no graph outlives its code."""
    digest = hashlib.sha256()
    for path in sorted(Path(vlm_rewards.encoders.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
