"""Closing the runs whose process was killed before it could close them: SIGKILL, a lost node, a lost head.

A run that lives says so every few seconds, by the tag `process.seen` (`Heartbeat`). One that has not for a while is
dead, wherever it ran; one of this host and PID namespace whose process is gone is dead at once.
"""

import logging
import os
import socket
import time

import psutil
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

logger = logging.getLogger(__name__)

#: Seconds between two signs of life.
HEARTBEAT_SECONDS = 15.0
#: Seconds without one after which a run counts as dead. Clocks of a cluster's nodes may differ by one.
SILENT_SECONDS = 75.0
SEEN_TAG = "process.seen"
END_REASON = "its process ended without closing the run"
# The kernel's start time of a process is kept in ticks since a boot time that clock corrections can move.
SAME_START_SECONDS = 2.0


def process_tags() -> dict[str, str]:
    """Return tags that tell later whether the process behind a RUNNING run is still there."""
    process = psutil.Process()
    return {
        "process.host": socket.gethostname(),
        "process.namespace": _pid_namespace(),
        "process.pid": str(os.getpid()),
        "process.started": str(process.create_time()),
        SEEN_TAG: seen_now(),
    }


def seen_now() -> str:
    """Return the value of the tag `process.seen` for now: seconds since 1970."""
    return f"{time.time():.0f}"


def close_abandoned_runs(client: MlflowClient, experiment_id: str) -> list[str]:
    """Close runs as KILLED whose process is gone, and return their ids.

    Another process may close the same run at this moment. Then this one leaves it alone: a courtesy to a dead run is no
    reason for a new one not to start.
    """
    closed = []
    for run in client.search_runs([experiment_id], filter_string="attributes.status = 'RUNNING'", max_results=1000):
        if not is_abandoned(run):
            continue
        try:
            # Asked again: it may have closed the run and ended, or have shown itself, since the search.
            again = client.get_run(run.info.run_id)
            if again.info.status != "RUNNING" or not is_abandoned(again):
                continue
            client.set_tag(run.info.run_id, "end_reason", END_REASON)
            client.set_terminated(run.info.run_id, "KILLED")
        except (MlflowException, SQLAlchemyError) as error:
            logger.info("run %s, whose process is gone, was not closed here: %s", run.info.run_id, error)
            continue
        closed.append(run.info.run_id)
    return closed


def is_abandoned(run: Run) -> bool:
    """Tell whether nobody is behind a RUNNING run any more. One that is none of ours never is."""
    tags = run.data.tags
    if "process.pid" not in tags:
        return False
    here = tags.get("process.host") == socket.gethostname()
    # Runs of earlier versions have neither of the other tags.
    if here and tags.get("process.namespace", _pid_namespace()) == _pid_namespace():
        return not process_is_alive(tags["process.pid"], tags.get("process.started", ""))
    try:
        return time.time() - float(tags[SEEN_TAG]) > SILENT_SECONDS
    except (KeyError, ValueError):
        return False


def process_is_alive(pid: str, started: str) -> bool:
    """Tell whether process `pid` exists and is the one that began at `started`: pids are used again."""
    try:
        result: bool = abs(psutil.Process(int(pid)).create_time() - float(started)) < SAME_START_SECONDS
        return result
    except (ValueError, psutil.Error):
        return False


def _pid_namespace() -> str:
    """Return the name of this process's PID namespace: in another, of one host, the same pid is another process."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:  # no Linux
        return ""
