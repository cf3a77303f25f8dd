"""The cluster of namespaces and what it leans on, one for all tests, and the reasons not to have them."""

import os

import pytest

from tests.cluster import rig as rigs
from tests.cluster import services as outside

SWITCH = "VLM_REWARDS_CLUSTER_TESTS"


@pytest.fixture(scope="session")
def whole_rig():
    """Three nodes: a head with one CPU and two workers with one each."""
    if os.environ.get(SWITCH) != "1":
        pytest.skip(f"a cluster takes minutes: make cluster-test, or {SWITCH}=1")
    reason = rigs.missing()
    if reason is not None:
        pytest.skip(reason)
    with rigs.cluster(1, 1, 1) as made:
        yield made


@pytest.fixture
def rig(whole_rig):
    """The cluster with all of its nodes, whatever the test before has done to it."""
    whole_rig.mend()
    return whole_rig


@pytest.fixture(scope="session")
def services(whole_rig):
    """MLflow on Postgres, and S3."""
    reason = outside.missing()
    if reason is not None:
        pytest.skip(reason)
    made = outside.Services(whole_rig)
    try:
        made.start()
        yield made
    finally:
        made.stop()
