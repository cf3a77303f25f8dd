"""Watching the processes of an experiment that was started from its command line."""

import time

import psutil


def wait_for(condition, seconds=120):
    """Waits until it holds; what costs to ask is asked less often, for the tests' processes share their cores."""
    deadline = time.monotonic() + seconds
    while True:
        began = time.thread_time()
        if condition():
            return
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(max(0.05, 12 * (time.thread_time() - began)))


def ray_workers(process, name):
    """Ray's workers below `process` whose title holds `name`."""
    found = []
    for candidate in psutil.process_iter(["cmdline"]):
        try:
            is_wanted = any(name in part for part in (candidate.info["cmdline"] or [])[:1])
            if is_wanted and any(parent.pid == process.pid for parent in candidate.parents()):
                found.append(candidate)
        except psutil.Error:  # it ended while we looked
            continue
    return found
