"""Where a result came from: code version and library versions, as MLflow tags."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

RECORDED_LIBRARIES = ("vlm-rewards", "ray", "torch", "transformers", "gymnasium", "mlflow", "android-env", "mujoco")


#: Names the commit where the code lies without its history, as in a Ray job's working directory.
COMMIT_VARIABLE = "VLM_REWARDS_GIT_SHA"


def git_commit(folder: Path) -> str:
    """Return the commit checked out in `folder`, with `-dirty` where tracked files differ.

    Without a git history it is what the environment says, or `unknown`.
    """
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
        return os.environ.get(COMMIT_VARIABLE, "unknown")


def provenance_tags(folder: Path) -> dict[str, str]:
    """Return tags that identify code and libraries: `git_sha`, `python` and one `version.NAME` a library."""
    tags = {"git_sha": git_commit(folder), "python": platform.python_version()}
    for name in RECORDED_LIBRARIES:
        try:
            tags[f"version.{name}"] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return tags
