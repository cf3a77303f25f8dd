"""What a run writes to an MLflow store, one thing after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Metric, RunTag
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

STORE_ERRORS = (MlflowException, SQLAlchemyError, OSError)
# MLflow's own limit for one log_batch call.
METRICS_PER_BATCH = 1000
_REFUSALS = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")


@dataclass(eq=False)
class MetricsWrite:
    """Metrics of one step.

    Attributes:
        metrics: What MLflow shall keep.
    """

    metrics: Sequence[Metric]

    def send(self, client: MlflowClient, run_id: str) -> None:
        """Deliver it.

        Raises:
            MlflowException: The store does not answer, or refuses it.
        """
        for begin in range(0, len(self.metrics), METRICS_PER_BATCH):
            client.log_batch(run_id, metrics=self.metrics[begin : begin + METRICS_PER_BATCH])


@dataclass(eq=False)
class TagsWrite:
    """Tags.

    Attributes:
        tags: What MLflow shall keep.
    """

    tags: Sequence[RunTag]

    def send(self, client: MlflowClient, run_id: str) -> None:
        """Deliver it.

        Raises:
            MlflowException: The store does not answer, or refuses it.
        """
        client.log_batch(run_id, tags=self.tags)


@dataclass(eq=False)
class ArtifactWrite:
    """A file.

    Attributes:
        path: Where it lies; a copy's path once it is kept for later.
        folder: Its place among the run's artifacts; None is the top.
    """

    path: Path
    folder: str | None

    def send(self, client: MlflowClient, run_id: str) -> None:
        """Deliver it.

        Raises:
            MlflowException: The store does not answer, or refuses it.
            OSError: The same of an artifact store, or the file is gone.
        """
        client.log_artifact(run_id, str(self.path), self.folder)


Write = MetricsWrite | TagsWrite | ArtifactWrite


def together(writes: Sequence[Write]) -> Write:
    """Return the first of some writes; metrics with those of the writes right after it, as many as fit one request."""
    first = writes[0]
    if not isinstance(first, MetricsWrite):
        return first
    metrics = list(first.metrics)
    for write in writes[1:]:
        if not isinstance(write, MetricsWrite) or len(metrics) + len(write.metrics) > METRICS_PER_BATCH:
            break
        metrics += write.metrics
    return MetricsWrite(metrics)


def is_refusal(error: BaseException) -> bool:
    """Tell whether a store will give the same answer for ever, as for a name that it does not take."""
    if isinstance(error, FileNotFoundError):  # an artifact's file, deleted before its turn came
        return True
    # Of a server only what it has said itself: a proxy before it says 404 while it restarts.
    said = isinstance(error, RestException) or (isinstance(error, MlflowException) and "API request" not in str(error))
    return said and getattr(error, "error_code", "") in _REFUSALS


def disk_is_full(error: BaseException) -> bool:
    """Tell whether a store error comes from a full disk, wherever in its chain of causes."""
    text = str(error).lower()
    return "database or disk is full" in text or "no space left on device" in text
