"""The cluster of namespaces, and the reasons not to have it."""

import os

import pytest

from tests.cluster import rig as rigs

SWITCH = "VLM_REWARDS_CLUSTER_TESTS"


@pytest.fixture(scope="module")
def rig():
    """Three nodes: a head with one CPU and two workers with one each."""
    if os.environ.get(SWITCH) != "1":
        pytest.skip(f"a cluster takes minutes: make cluster-test, or {SWITCH}=1")
    reason = rigs.missing()
    if reason is not None:
        pytest.skip(reason)
    with rigs.cluster(1, 1, 1) as made:
        yield made
