"""What a training on a cluster survives by itself, and what it says: nodes killed and links cut under it."""

import time

import pytest

from tests.cluster.run import Run, with_runner

pytestmark = [pytest.mark.long, pytest.mark.timeout(900), pytest.mark.budget(800)]
SAID_WITHIN_S = 30


def check_steps(run):
    """All steps that were trained were rewarded, and none was counted twice; returns the iterations."""
    iterations = run.steps()
    total = 0
    for under, metrics in iterations:
        if "train/env_steps" not in metrics:
            continue  # of the evaluation
        total += metrics["train/env_steps"]
        assert under == metrics["train/env_steps_lifetime"] == total
        assert metrics["train/rewarded_steps"] == metrics["train/env_steps"]
    state = run.state()
    assert state["finished"]
    assert state["env_steps"] == total > 0
    print(f"{total:.0f} steps in {len(iterations)} iterations, each counted once; at the end {iterations[-1][1]}")
    return iterations


@pytest.fixture
def begin(rig):
    """Begins trainings of so many minutes on a whole cluster, and waits until they train."""
    runs = []

    def begin(name, minutes, **settings):
        runs.append(Run(rig, name, minutes, **settings))
        runs[-1].wait_for("training …", 400)
        runs[-1].wait_for("/10,000,000", 400)
        return runs[-1]

    yield begin
    for run in runs:
        print(run)
        run.stop()


def said(run, text, after):
    """A line came soon enough."""
    at, line = run.wait_for(text, 90, after=after)
    print(f"said after {at - after:.1f} s: {line}")
    assert at - after <= SAID_WITHIN_S


def cut_off(rig, run, seconds):
    """The link of a node with an env runner is cut for so long, and that is said."""
    node = next(node for node in rig.workers if node.processes("ray::RewardEnvRunner"))
    cut = run.now()
    node.cut()
    try:
        said(run, f"node {node.address}", cut)
        time.sleep(max(0.0, seconds - (run.now() - cut)))
    finally:
        node.mend()


def test_a_training_outlives_a_killed_node_and_a_cut_link(begin, rig):
    """Each costs it a fragment at most; the node is taken back, and the other env runner goes on meanwhile."""
    run = begin("outlives", 3.5)
    worker, _ = with_runner(rig)
    killed = run.now()
    worker.kill()
    for text in (f"node {worker.address} is lost", "is lost (", "1 of 2 env runners are left"):
        said(run, text, killed)
    time.sleep(5)
    worker.start()
    run.wait_for(f"node {worker.address} is back", 300, after=killed)
    rig.wait_for(3)
    # The new env runner is on it, or on the head, which had a CPU to spare.
    cut_off(rig, run, 90)
    run.finish(600)
    metrics = check_steps(run)[-1][1]
    assert 1 <= metrics["train/env_runners_lost"] <= 2
    assert metrics["train/fragments_dropped"] <= metrics["train/env_runners_lost"]
    assert metrics["cluster/nodes_lost"] >= 1


def test_below_the_least_share_a_training_waits_and_goes_on_when_the_node_is_back(begin, rig):
    run = begin("waits", 2, **{"sampling.min_env_runners_share": "1.0"})
    worker, _ = with_runner(rig)
    killed = run.now()
    worker.kill()
    said(run, "training waits for more", killed)
    time.sleep(10)
    assert sum("training waits for more" in line for _, line in run.lines) == 1
    worker.start()
    run.wait_for("training goes on", 300, after=killed)
    rig.wait_for(3)
    # Shorter than what Ray gives a node up for.
    cut_off(rig, run, 20)
    run.finish(600)
    metrics = check_steps(run)[-1][1]
    assert metrics["train/env_runners_lost"] == metrics["train/env_runner_restarts"] <= 2
    assert metrics["cluster/nodes_lost"] == 1
