"""What a training on a cluster survives by itself, and what it says: nodes killed and links cut under it."""

import time

import pytest

from tests.cluster.run import Run, with_runner

pytestmark = [pytest.mark.long, pytest.mark.timeout(900), pytest.mark.budget(800)]
SAID_WITHIN_S = 30


def check_steps(run, steps):
    """All steps were trained, each was rewarded, none was counted twice."""
    iterations = run.steps()
    total = 0
    for under, metrics in iterations:
        total += metrics["train/env_steps"]
        assert under == metrics["train/env_steps_lifetime"] == total
        assert metrics["train/rewarded_steps"] == metrics["train/env_steps"]
    assert total >= steps
    state = run.state()
    assert state["finished"]
    assert state["env_steps"] == total
    return iterations


@pytest.fixture
def begin(rig):
    """Begins trainings, which end with the test."""
    runs = []

    def begin(name, steps, **settings):
        runs.append(Run(rig, name, steps, **settings))
        return runs[-1]

    yield begin
    for run in runs:
        print(run)
        run.stop()


def test_a_node_that_is_killed_costs_a_training_a_fragment_and_is_taken_back(rig, begin):
    run = begin("killed", 40_000)
    run.wait_for("training ", 240)
    run.wait_for("/40,000", 120)
    worker, _ = with_runner(rig)
    killed = run.now()
    worker.kill()
    for text in (f"node {worker.address} is lost", "is lost (", "1 of 2 env runners are left"):
        at, line = run.wait_for(text, 60, after=killed)
        print(f"said after {at - killed:.1f} s: {line}")
        assert at - killed <= SAID_WITHIN_S
    time.sleep(5)
    worker.start()
    run.wait_for(f"node {worker.address} is back", 120, after=killed)
    run.wait_for("2 of 2 env runners", 120, after=killed)
    run.finish(400)
    metrics = check_steps(run, 40_000)[-1][1]
    assert metrics["train/env_runners_lost"] == 1
    assert metrics["train/env_runner_restarts"] == 1
    assert metrics["train/fragments_dropped"] <= 1
    assert metrics["cluster/nodes_lost"] == 1


@pytest.mark.parametrize("seconds", [20, 90])
def test_a_link_that_is_cut_is_said_and_outlived(rig, begin, seconds):
    rig.wait_for(3)
    steps = 60_000
    run = begin(f"cut-{seconds}", steps)
    run.wait_for(f"/{steps:,}", 240)
    worker, _ = with_runner(rig)
    cut = run.now()
    worker.cut()
    try:
        at, line = run.wait_for(f"node {worker.address}", 60, after=cut)
        print(f"said after {at - cut:.1f} s: {line}")
        assert at - cut <= SAID_WITHIN_S
        time.sleep(max(0.0, seconds - (run.now() - cut)))
    finally:
        worker.mend()
    run.finish(500)
    check_steps(run, steps)
    rig.wait_for(3)


def test_below_the_least_share_a_training_waits_and_goes_on_when_the_node_is_back(rig, begin):
    rig.wait_for(3)
    run = begin("waits", 30_000, **{"sampling.min_env_runners_share": "1.0"})
    run.wait_for("/30,000", 240)
    worker, _ = with_runner(rig)
    killed = run.now()
    worker.kill()
    at, line = run.wait_for("training waits for more", 60, after=killed)
    print(f"said after {at - killed:.1f} s: {line}")
    assert at - killed <= SAID_WITHIN_S
    time.sleep(10)
    assert sum("training waits for more" in line for _, line in run.lines) == 1
    worker.start()
    run.wait_for("training goes on", 180, after=killed)
    run.finish(400)
    check_steps(run, 30_000)
