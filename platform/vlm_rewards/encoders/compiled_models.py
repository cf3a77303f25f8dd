"""Compiled image towers, kept between processes: converting one takes seconds, and every replica would."""

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vlm_rewards.encoders

_LOG = logging.getLogger(__name__)
_VARIABLE = "VLM_REWARDS_CACHE"
_DIGEST_BYTES = 32


def cache_folder() -> Path:
    """Returns the folder of compiled models: VLM_REWARDS_CACHE, or vlm_rewards in the user's cache folder.

    Everything in it can be deleted at any time.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(_VARIABLE) or Path(base) / "vlm_rewards") / "compiled"


class CompiledModels:
    """One compiled model's place in the cache folder.

    Its name covers all that it was made from and for: the checkpoint's parts, the options, this package's encoders, the
    versions of the libraries and the processor. A file starts with a sha256 of the rest, so a damaged one is made anew.
    """

    def __init__(self, core: Any, made_from: Mapping[str, str]) -> None:
        """Finds the place.

        Args:
            core: `openvino.Core`.
            made_from: checkpoint parts and options.
        """
        self._core = core
        key = {
            **made_from,
            "processor": str(core.get_property("CPU", "FULL_DEVICE_NAME")),
            "capabilities": str(sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))),
            "isa": os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
            "code": _code_digest(),
            **{name: importlib.metadata.version(name) for name in ("openvino", "torch", "transformers")},
        }
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        self.path = cache_folder() / f"{name}.blob"

    def load(self, options: Mapping[str, Any]) -> tuple[Any, tuple[int, ...]] | None:
        """Returns the compiled model and its proven pass sizes, or None if there is none that can be trusted."""
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
        """Keeps a compiled model; where it cannot be written, the next process makes its own."""
        header = json.dumps(list(pass_sizes)).encode()
        content = len(header).to_bytes(4, "big") + header + compiled.export_model().getvalue()
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.path.parent, delete=False) as file:
                try:
                    file.write(hashlib.sha256(content).digest())
                    file.write(content)
                    file.close()
                    os.replace(file.name, self.path)  # replicas that start together all write; one file stays
                except OSError:
                    with contextlib.suppress(OSError):
                        os.unlink(file.name)
                    raise
        except OSError as error:
            _LOG.warning("the compiled model cannot be kept in %s (%s)", self.path.parent, error)


def _code_digest() -> str:
    """Hashes the modules that make a graph, so that no graph outlives its code."""
    digest = hashlib.sha256()
    for path in sorted(Path(vlm_rewards.encoders.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
