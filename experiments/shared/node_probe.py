"""What one node says of itself before step 0: whether it can do what a run will ask of it."""

import hashlib
import os
import platform
import shutil
import socket
import time
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vlm_rewards.errors import VLMRewardsError

#: Libraries of which all nodes must have one version.
LIBRARIES = ("ray", "torch", "transformers", "numpy", "gymnasium", "mlflow", "mujoco", "openvino")
_ROOMS = ("platform/vlm_rewards", "envs", "rllib_configs", "serve_deployments", "experiments")
_REPOSITORY = Path(__file__).resolve().parents[2]
_LEAST_DISK = 2 * 2**30
_LEAST_MEMORY = 2**30


@dataclass(frozen=True)
class Needs:
    """What a run will ask of every node.

    Attributes:
        output: Folder for results, which all nodes share.
        storage: Where checkpoints go, if elsewhere: another folder, or an address such as `s3://bucket/path`.
        mlflow_uri: The MLflow store.
        draws: Whether environments draw with MuJoCo.
        marker: File in `output` that the driver has made.
    """

    output: Path
    storage: str | None = None
    mlflow_uri: str = ""
    draws: bool = False
    marker: str = ""


@dataclass(frozen=True)
class NodeReport:
    """What a node has found.

    Attributes:
        host: Its name.
        versions: Versions of Python and of `LIBRARIES`; those that it lacks are absent.
        code: Hash of our own modules.
        free_disk: Bytes free where results go; None where that folder cannot be asked.
        free_memory: Bytes.
        seconds: What the probe took.
        faults: What is wrong, a line each, with what to do.
    """

    host: str
    versions: dict[str, str]
    code: str
    free_disk: int | None
    free_memory: int
    seconds: float = 0.0
    faults: tuple[str, ...] = field(default=())


def probe(needs: Needs, node: str) -> NodeReport:
    """Try everything here, in this process; nothing is left behind but a file `node` beside the marker.

    Args:
        needs: What the run will ask.
        node: The node's id.
    """
    start = time.monotonic()
    faults = []
    for check in (_folder, _storage, _store, _drawing):
        fault = check(needs, node)
        if fault:
            faults.append(fault)
    disk = _free_disk(needs.output)
    if disk is not None and disk < _LEAST_DISK:
        faults.append(f"{needs.output} has {disk / 2**30:.1f} GiB free: make room for checkpoints")
    memory = _free_memory()
    if memory < _LEAST_MEMORY:
        faults.append(f"{memory / 2**30:.1f} GiB of memory are free: end what holds the rest, or take a larger node")
    versions = {"python": platform.python_version()} | library_versions()
    return NodeReport(
        socket.gethostname(), versions, code_hash(), disk, memory, time.monotonic() - start, tuple(faults)
    )


@cache
def library_versions() -> dict[str, str]:
    """Return the installed versions of `LIBRARIES`."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def code_hash(root: Path = _REPOSITORY) -> str:
    """Return a hash of our own modules, of their names and contents."""
    total = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            total.update(f"{path.relative_to(root)}\0".encode())
            total.update(path.read_bytes())
    return total.hexdigest()[:12]


def _folder(needs: Needs, node: str) -> str | None:
    folder = needs.output
    try:
        if needs.marker and not (folder / needs.marker).is_file():
            return (
                f"{folder} is another folder than the driver's: mount the same storage on every node, or name a folder "
                "on it with --output"
            )
        mine = folder / f"{needs.marker or '.preflight'}-{node}"
        mine.write_text(node)
        if mine.read_text() != node:
            return f"{folder} gives back something else than was written: check the storage"
    except OSError as error:
        return f"{folder} cannot be written ({error.strerror}): mount it there, with room and rights for this user"
    return None


def _storage(needs: Needs, node: str) -> str | None:
    if needs.storage is None:
        return None
    from pyarrow import ArrowException
    from pyarrow.fs import FileSystem

    try:
        if "://" in needs.storage:
            system, path = FileSystem.from_uri(needs.storage)
        else:
            system, path = FileSystem.from_uri(Path(needs.storage).absolute().as_uri())
            system.create_dir(path, recursive=True)
        name = f"{path.rstrip('/')}/.preflight-{node}"
        with system.open_output_stream(name) as stream:
            stream.write(node.encode())
        with system.open_input_stream(name) as stream:
            same = stream.read() == node.encode()
        system.delete_file(name)
    except (OSError, ArrowException) as error:
        reason = " ".join(str(error).split())[:160]
        return f"storage {needs.storage} cannot be written ({reason}): check the bucket, the keys and the network"
    return None if same else f"storage {needs.storage} gives back something else than was written"


def _store(needs: Needs, node: str) -> str | None:
    if not needs.mlflow_uri or needs.mlflow_uri.startswith("sqlite"):
        return None  # a file in a folder, which is checked as one
    from experiments.shared.tracking_store import check_store

    try:
        check_store(needs.mlflow_uri)
    except VLMRewardsError as error:
        return str(error)
    return None


def _drawing(needs: Needs, node: str) -> str | None:
    if not needs.draws:
        return None
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import mujoco

        context = mujoco.GLContext(16, 16)
        context.make_current()
        context.free()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        return f"MuJoCo cannot draw ({reason}): install libegl1 and libgl1-mesa-dri there (Debian)"
    return None


def _free_disk(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _free_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().available)
