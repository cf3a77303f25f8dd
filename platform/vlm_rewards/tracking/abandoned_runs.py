"""Closing the runs whose process was killed before it could close them."""

import logging
import os
import socket

import psutil
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

logger = logging.getLogger(__name__)

# The kernel's start time of a process is kept in ticks since a boot time that clock corrections can move.
SAME_START_SECONDS = 2.0


def process_tags() -> dict[str, str]:
    """Return tags that tell later whether the process behind a RUNNING run is still there."""
    process = psutil.Process()
    return {
        "process.host": socket.gethostname(),
        "process.pid": str(os.getpid()),
        "process.started": str(process.create_time()),
    }


def close_abandoned_runs(client: MlflowClient, experiment_id: str) -> list[str]:
    """Close runs of this host as KILLED whose process is gone (SIGKILL, power loss), and return their ids.

    Another process may close the same run at this moment. Then this one leaves it alone: a courtesy to a dead run is no
    reason for a new one not to start.
    """
    host = socket.gethostname()
    closed = []
    for run in client.search_runs(
        [experiment_id],
        filter_string=f"attributes.status = 'RUNNING' and tags.`process.host` = '{host}'",
        max_results=1000,
    ):
        pid, started = run.data.tags.get("process.pid", ""), run.data.tags.get("process.started", "")
        if not process_is_alive(pid, started):
            try:
                # Asked again now that the process is gone: it may have closed the run and ended since the search.
                if client.get_run(run.info.run_id).info.status != "RUNNING":
                    continue
                client.set_tag(run.info.run_id, "end_reason", "its process ended without closing the run")
                client.set_terminated(run.info.run_id, "KILLED")
            except (MlflowException, SQLAlchemyError) as error:
                logger.info("run %s, whose process is gone, was not closed here: %s", run.info.run_id, error)
                continue
            closed.append(run.info.run_id)
    return closed


def process_is_alive(pid: str, started: str) -> bool:
    """Tell whether process `pid` exists and is the one that began at `started`: pids are used again."""
    try:
        result: bool = abs(psutil.Process(int(pid)).create_time() - float(started)) < SAME_START_SECONDS
        return result
    except (ValueError, psutil.Error):
        return False
