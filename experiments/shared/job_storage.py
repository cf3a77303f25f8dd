"""Where results live: one answer for all commands, checked before anything begins.

A folder comes from the command line, else from VLM_REWARDS_OUTPUT, else it is `runs`. It must outlive the process:
under `ray job submit` the working directory is a copy, which Ray deletes, or a folder of an image, which goes with its
pod.
"""

import json
import os
import re
import tempfile
from pathlib import Path

from vlm_rewards.errors import ConfigError

#: Names the output folder where the command line does not.
OUTPUT_VARIABLE = "VLM_REWARDS_OUTPUT"

# Ray's job supervisor sets it for the job's entrypoint and for nothing else.
_JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]+):/")
# In the addresses that sqlite, MLflow and Ray make of a path these begin something else.
# Bytes, of Linux's file systems.
_LONGEST_NAME = 255
_ODD = re.compile(r"[?#%\x00-\x1f\x7f]")


def output_root() -> Path:
    """Return the folder that results go into where a command line names none."""
    return Path(os.environ.get(OUTPUT_VARIABLE) or "runs")


def results_path(text: str | Path) -> Path:
    """Return the absolute path that was named for results; nothing is made or asked of the disk.

    Raises:
        ConfigError: It is an address, has characters that addresses cannot hold, or begins with a user who is none.
    """
    text = str(text)
    address = _SCHEME.match(text)
    if address is not None:
        raise ConfigError(
            f"results go into a folder, and {text} is an address ({address['scheme']}): name a folder on storage that "
            "the nodes share; a study's checkpoints alone may go elsewhere, with --set storage=s3://bucket/path"
        )
    odd = _ODD.search(text)
    if odd is not None:
        raise ConfigError(
            f"the folder {text!r} has {odd.group()!r} in its name, which means something else in the addresses that "
            "MLflow and Ray make of it: choose another name"
        )
    if not text:
        raise ConfigError("the name of the folder for results is empty: name one, such as runs")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"the folder {text!r} has bytes in its name that are no UTF-8: choose another name"
        ) from error
    longest = max(text.split(os.sep), key=lambda name: len(name.encode()))
    if len(longest.encode()) > _LONGEST_NAME:
        raise ConfigError(f"the name {longest[:60]!r}... is too long for a folder: choose another")
    expanded = os.path.expanduser(text)
    if text.startswith("~") and expanded == text:
        raise ConfigError(f"the folder {text!r} begins with a user who has no home here: write the path in full")
    return Path(os.path.abspath(expanded))


def results_folder(text: str | Path) -> Path:
    """Return the absolute folder for results, which can be made and written and outlives this process.

    Nothing is left on the disk.

    Raises:
        ConfigError: As `results_path`; or the folder lies in a job's working directory, below a file, or where this
            process may not write.
    """
    path = results_path(text)
    lasting_folder(path)
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise ConfigError(f"{path} cannot be made: {there} is a file; name a folder")
    try:
        # Asking for permissions alone says yes to root on a disk that takes nothing.
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        if error.errno == 28:  # ENOSPC: what a full disk means is told where it matters
            raise
        raise ConfigError(
            f"{path} cannot be written ({there}: {error.strerror}): name a folder that you may write to"
        ) from error
    return path


def lasting_folder(folder: Path) -> Path:
    """Return `folder`, which will still be there when this process has ended.

    Raises:
        ConfigError: This is a job, and the folder lies in its working directory.
    """
    job = json.loads(os.environ.get(_JOB_VARIABLE, "{}"))
    working_dir = job.get("runtime_env", {}).get("working_dir", "")
    here = Path.cwd().resolve()
    if not working_dir or not folder.resolve().is_relative_to(here) or _is_mounted(folder.resolve(), here):
        return folder
    # local:// is a folder of the image that Ray uses where it is.
    image = working_dir.startswith("local://")
    place = (
        "this job's working directory, a folder of the image" if image else "this job's copy of the working directory"
    )
    raise ConfigError(
        f"{folder} lies in {place}, which {'goes with its pod' if image else 'Ray deletes'}: name a folder on storage "
        f"that the cluster's nodes share, with --output /shared/runs or {OUTPUT_VARIABLE} (--resume: in full)"
    )


def _is_mounted(folder: Path, above: Path) -> bool:
    """Tell whether `folder` is on a disk of its own that is mounted below `above`."""
    while folder != above:
        if os.path.ismount(folder):
            return True
        folder = folder.parent
    return False
