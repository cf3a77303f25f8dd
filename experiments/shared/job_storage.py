"""Folders that outlive a job: under `ray job submit` the working directory is a copy, which Ray deletes."""

import json
import os
from pathlib import Path

from vlm_rewards.errors import ConfigError

#: Names the output folder where the command line does not.
OUTPUT_VARIABLE = "VLM_REWARDS_OUTPUT"

# Ray's job supervisor sets it for the job's entrypoint and for nothing else.
_JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def lasting_folder(folder: Path) -> Path:
    """Return `folder`, which will still be there when this process has ended.

    Raises:
        ConfigError: this is a job, and the folder lies in its working directory.
    """
    job = json.loads(os.environ.get(_JOB_VARIABLE, "{}"))
    working_dir = job.get("runtime_env", {}).get("working_dir", "")
    # local:// is a folder of the image that Ray uses where it is, and leaves alone.
    is_copy = working_dir and not working_dir.startswith("local://")
    if is_copy and folder.resolve().is_relative_to(Path.cwd().resolve()):
        raise ConfigError(
            f"{folder} lies in this job's copy of the working directory, which Ray deletes: name a folder on storage "
            f"that the cluster's nodes share, with --output /shared/runs or {OUTPUT_VARIABLE} (--resume: in full)"
        )
    return folder
