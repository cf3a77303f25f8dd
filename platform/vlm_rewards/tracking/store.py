"""Opening an MLflow store: a sqlite file by default, a server by URI, with an error that says what to do."""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# MLflow reads these when it is imported: its own defaults wait 120 s and try 7 times on a server that is not there.
# After less than 30 s a busy server would be asked again to create what it is creating.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_DISABLE_AUTO_LOGGING", "true")

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from vlm_rewards.credentials import hide_passwords, with_password
from vlm_rewards.errors import TrackingError
from vlm_rewards.tracking.addresses import VIEW, runs_path

# A new store announces each step of its schema's migration; and what a store raises MLflow logs as a traceback besides.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
# Each retry of each request to a server that is away; that it is away is said by us, once.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

SQLITE_PREFIX = "sqlite:///"
MINIMUM_FREE_BYTES = 64 * 1024 * 1024


def default_uri(folder: Path) -> str:
    """Return the URI of the sqlite store in `folder`."""
    return f"{SQLITE_PREFIX}{folder.resolve() / 'mlflow.db'}"


def sqlite_file(uri: str) -> Path | None:
    """Return the file behind a sqlite URI, or None for any other store."""
    return Path(uri.removeprefix(SQLITE_PREFIX)) if uri.startswith(SQLITE_PREFIX) else None


@contextmanager
def exclusive(uri: str) -> Iterator[None]:
    """Keep the other processes of this machine out of a sqlite store; a server keeps order by itself.

    The lock is on a file beside the store and ends with the process that holds it, however that ends.

    Raises:
        OSError: The file cannot be made.
    """
    database = sqlite_file(uri)
    if database is None:
        yield
        return
    with database.with_suffix(".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_COLUMNS = (
    "tags.`study.arm`",
    "params.`reward.model`",
    "metrics.`evaluation/success_rate`",
    "metrics.`evaluation/random_success_rate`",
    "metrics.`train/reward_return`",
    "metrics.`train/online_precision`",
    "attributes.`Description`",
)
# MLflow 3.17's page goes by what the browser last looked at, and begins with traces, of which there are none; older
# ones go by the kind. So the note, which stands above either, begins with a link to the runs.
_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{VIEW}": json.dumps({"selectedColumns": _COLUMNS}),
}
_NOTE = (
    "[**Open the runs**](LINK). `success_rate` is by ground truth, on goals that training never saw; `reward_return` "
    "is what the reward model paid. A study is a parent run with one child run a trial; its report is made by "
    "`python -m experiments.report NAME`."
)


def open_experiment(uri: str, experiment: str) -> tuple[MlflowClient, str]:
    """Connect to the store at `uri` and create `experiment` if it is new.

    One process at a time: several that migrate a fresh sqlite schema at once, or create one experiment, would fail.

    Returns:
        The client and the experiment id.

    Raises:
        TrackingError: The disk is full, the server does not answer, or the URI is not one that MLflow knows.
    """
    database = sqlite_file(uri)
    try:
        if database is not None:
            database.parent.mkdir(parents=True, exist_ok=True)
            _check_space(database)
        with exclusive(uri):
            client = MlflowClient(tracking_uri=with_password(uri))
            found = client.get_experiment_by_name(experiment)
            if found is not None:
                if found.lifecycle_stage == "deleted":
                    client.restore_experiment(found.experiment_id)
                return client, found.experiment_id
            artifacts = None if database is None else (database.parent / "mlartifacts").as_uri()
            try:
                number = client.create_experiment(experiment, artifact_location=artifacts, tags=_TAGS)
                note = _NOTE.replace("LINK", runs_path(number))
                client.set_experiment_tag(number, "mlflow.note.content", note)
                return client, number
            except MlflowException:
                # A server has no lock of ours: another process may have created it since.
                found = client.get_experiment_by_name(experiment)
                if found is None:
                    raise
                return client, found.experiment_id
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        raise TrackingError(
            f"the MLflow store {uri} cannot be opened ({first_line(error)}): check the URI and that the server runs, "
            "or leave --mlflow-uri out to use a local sqlite file"
        ) from error


def _check_space(database: Path) -> None:
    free = shutil.disk_usage(database.parent).free
    if free < MINIMUM_FREE_BYTES:
        raise TrackingError(
            f"the disk that holds the MLflow store {database} has {free / 1e6:.0f} MB left: free at least "
            f"{MINIMUM_FREE_BYTES / 1e6:.0f} MB, or point --mlflow-uri at another disk or a server"
        )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    lines = hide_passwords(str(error)).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
