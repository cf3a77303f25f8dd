"""Closing runs from outside, when the processes that wrote them are stopped."""

import logging
import threading
from collections.abc import Iterable

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from vlm_rewards.credentials import hide_passwords, with_password
from vlm_rewards.tracking.background_writer import within
from vlm_rewards.tracking.store import first_line
from vlm_rewards.unbroken import unbroken

logger = logging.getLogger(__name__)

_ENDED = ("FINISHED", "FAILED")
_SECONDS = 10.0


@unbroken()
def close_as_killed(uri: str, run_ids: Iterable[str], reason: str) -> None:
    """Close runs as KILLED that have not ended by themselves.

    A store that does not answer is told in a warning, after ten seconds at most: who stops should not hang.

    Args:
        uri: The store.
        run_ids: The runs; those that are FINISHED or FAILED already stay as they are.
        reason: Kept as the tag `end_reason`, also of a run whose own process has closed it as KILLED: that knows only
            that it was stopped, and not why.
    """
    late = threading.Event()
    try:
        within(_SECONDS, lambda: _close(uri, list(run_ids), reason, late))
    except TimeoutError as error:
        late.set()
        logger.warning("runs at %s were not closed: %s", hide_passwords(uri), error)


def _close(uri: str, run_ids: list[str], reason: str, late: threading.Event) -> None:
    client = MlflowClient(tracking_uri=with_password(uri))
    for run_id in run_ids:
        if late.is_set():
            return
        try:
            if client.get_run(run_id).info.status in _ENDED:
                continue
            # The status first: what is stopped may have little time.
            client.set_terminated(run_id, "KILLED")
            client.set_tag(run_id, "end_reason", reason)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            logger.warning("MLflow run %s was not closed: %s", run_id, first_line(error))
