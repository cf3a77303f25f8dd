"""Fixtures shared by all tests."""

import logging
import os
import random
import socket

# Before ray is imported anywhere: no usage pings, no log prefixes that bury a failing test.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DEDUP_LOGS", "0")
os.environ.setdefault("MUJOCO_GL", "egl")
# On busy cores Ray's workers, which it makes nicer than all else by 15, starve, and Serve kills its proxy if that is
# not up in 5 s.
os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")

import pytest


def pytest_collection_modifyitems(items):
    """Files of minutes first: begun last, one would keep one process of xdist busy while the others are done."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def ray_session():
    """One local Ray session for all tests that need one; starting it takes seconds."""
    import ray
    from ray import serve

    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
        runtime_env={"env_vars": {"OMP_NUM_THREADS": "1"}},
    )
    # Serve gets its HTTP proxy when it starts or never, and which test is the first to need it is not known.
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": free_port()})
    yield ray
    serve.shutdown()
    ray.shutdown()


def free_port():
    """A port on which nothing listens: neither one of those that Ray gives its workers, nor one for connections."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
