"""What processes on other nodes, of a study's trials say, need of the environment that a command was started in.

On a cluster they are children of Ray's own processes and inherit nothing. The values travel through Ray's object store,
by the names below: none stands in a file, as it would in a runtime environment.
"""

import os
from collections.abc import Mapping

from vlm_rewards.credentials import URI_VARIABLE
from vlm_rewards.tracking.provenance import COMMIT_VARIABLE

_NAMES = (COMMIT_VARIABLE, URI_VARIABLE)
# MLflow's clients and artifact stores, and the storage of checkpoints.
_PREFIXES = ("MLFLOW_TRACKING_", "MLFLOW_S3_", "AWS_", "GOOGLE_APPLICATION_", "AZURE_STORAGE_")


def driver_environment() -> dict[str, str]:
    """Return the variables of this process that those on other nodes need."""
    return {name: value for name, value in os.environ.items() if name in _NAMES or name.startswith(_PREFIXES)}


def take_over(environment: Mapping[str, str]) -> None:
    """Set the variables in this process that it does not have yet; the store's address is always the driver's."""
    for name, value in environment.items():
        if name == URI_VARIABLE or name not in os.environ:
            os.environ[name] = value
