"""Reading what an MLflow store keeps, through its client alone; nothing in it is changed."""

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient

from vlm_rewards.credentials import with_password
from vlm_rewards.errors import TrackingError
from vlm_rewards.evaluation.statistics import Curve
from vlm_rewards.tracking.store import first_line, sqlite_file
from vlm_rewards.tracking.writes import STORE_ERRORS

# Read by MLflow at each download: bars would bury the one line that a command prints.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def open_to_read(uri: str) -> tuple[MlflowClient, list[str]]:
    """Connect to a store; returns its client and the ids of its experiments.

    Raises:
        TrackingError: The store does not exist, or does not answer.
    """
    database = sqlite_file(uri)
    if database is not None and not database.is_file():
        # MLflow would make an empty one.
        raise TrackingError(f"there is no MLflow store {database}: name one that holds runs with --mlflow-uri")
    try:
        client = MlflowClient(tracking_uri=with_password(uri))
        return client, [experiment.experiment_id for experiment in client.search_experiments()]
    except STORE_ERRORS as error:
        raise TrackingError(
            f"the MLflow store {uri} cannot be read ({first_line(error)}): check the URI and that the server runs"
        ) from error


def runs_of(uri: str) -> Iterator[tuple[MlflowClient, Any]]:
    """Give all runs of a store with the client that reads them, page by page.

    Raises:
        TrackingError: The store does not exist, or does not answer.
    """
    client, experiments = open_to_read(uri)
    token: str | None = None
    while experiments:
        try:
            page = client.search_runs(experiments, max_results=1000, page_token=token)
        except STORE_ERRORS as error:
            raise TrackingError(f"the MLflow store {uri} cannot be read: {first_line(error)}") from error
        yield from ((client, run) for run in page)
        token = page.token
        if not token:
            break


def artifact(client: MlflowClient, run_id: str, path: str) -> bytes | None:
    """Return a file at the top of a run's artifacts, or None if it has none of that name."""
    if not any(file.path == path for file in client.list_artifacts(run_id)):
        return None
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, path, folder)).read_bytes()


def curve_of(history: Sequence[Any]) -> Curve:
    """Return a metric's history: one value a step, the one logged last, by rising step."""
    ordered = sorted(history, key=lambda metric: metric.timestamp)
    by_step = {metric.step: metric.value for metric in ordered if math.isfinite(metric.value)}
    steps = sorted(by_step)
    return Curve(np.array(steps, np.float64), np.array([by_step[step] for step in steps], np.float64))
