"""Fixtures shared by all tests."""

import logging
import os

# Before ray is imported anywhere: no usage pings, no log prefixes that bury a failing test.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DEDUP_LOGS", "0")
os.environ.setdefault("MUJOCO_GL", "egl")

import pytest


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
    yield ray
    serve.shutdown()
    ray.shutdown()
