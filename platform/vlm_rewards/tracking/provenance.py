"""Where a result came from: code version and library versions, as MLflow tags."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

RECORDED_LIBRARIES = ("vlm-rewards", "ray", "torch", "transformers", "gymnasium", "mlflow", "android-env", "mujoco")


def git_commit(folder: Path) -> str:
    """Return the commit checked out in `folder`, with `-dirty` where tracked files differ, or `unknown`."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        # A wheel or a Ray working directory has no git history: the tag says so instead of failing the run.
        return "unknown"


def provenance_tags(folder: Path) -> dict[str, str]:
    """Return tags that identify code and libraries: `git_sha`, `python` and one `version.NAME` a library."""
    tags = {"git_sha": git_commit(folder), "python": platform.python_version()}
    for name in RECORDED_LIBRARIES:
        try:
            tags[f"version.{name}"] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return tags
