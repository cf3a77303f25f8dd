"""A study as a job: killed nodes, services that are away, and the ends of its driver."""

import itertools
import os
import time

import pytest

from tests.cluster.study import Study, with_trial
from tests.cluster.watched import Watched

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500), pytest.mark.budget(1400)]
SAID_WITHIN_S = 30
S3_AWAY_S = 60
# From the same moment on. The number that is stated is for five minutes: VLM_REWARDS_OUTAGE_S=300.
MLFLOW_AWAY_S = float(os.environ.get("VLM_REWARDS_OUTAGE_S", "60"))
BLOCKED_AT_MOST_S = 5
CLOSED_WITHIN_S = 60
DEAD_WITHIN_S = 120
# So long do processes of other nodes live on, and say so, before Ray there gives a lost head up.
OUTLIVES_HEAD_S = 90
# A run judges nobody before it has heard all who live.
HEARS_ALL_S = 80


@pytest.fixture
def running():
    """Commands to be shown and ended when the test is over."""
    found: list[Watched] = []
    yield found
    for watched in found:
        print(watched)
        watched.stop()


def check_steps(study, begun_again):
    """All steps of all trials are there, each once; a trial that was begun again may have played some twice."""
    for name, run in study.trials().items():
        history = study.history(run["id"])
        assert len(history) > 5
        assert all(each.rewarded == each.env_steps for each in history)
        breaks = [
            (before.step, after.step, after.env_steps)
            for before, after in itertools.pairwise(history)
            if after.step - before.step != after.env_steps
        ]
        print(f"{name}: {history[-1].step} steps in {len(history)} iterations; {len(breaks)} seams: {breaks}")
        # Played again from a checkpoint, iterations end at other steps: one seam each time, of less than two of them.
        assert len(breaks) <= begun_again
        assert all(0 < after - before < 2 * 300 for before, after, _ in breaks)
        assert history[0].step == history[0].env_steps
        assert run["metrics"]["train/env_steps_lifetime"] == history[-1].step


def test_a_study_outlives_a_node_and_the_services_that_it_leans_on(rig, services, running):
    study = Study(rig, services, "outlives", minutes=1.5 + max(MLFLOW_AWAY_S, S3_AWAY_S) / 60)
    job = study.submit()
    running.append(job)
    study.wait_for_steps(job)

    worker = with_trial(rig)
    killed = job.now()
    worker.kill()
    for text in (worker.address, "goes on from its last checkpoint"):
        at, line = job.wait_for(text, 90, after=killed)
        print(f"said after {at - killed:.1f} s: {line}")
        assert at - killed <= SAID_WITHIN_S
    worker.start()
    study.wait_for_steps(job)

    services.stop_s3()
    services.stop_postgres()
    time.sleep(S3_AWAY_S)
    services.start_s3()
    time.sleep(max(0.0, MLFLOW_AWAY_S - S3_AWAY_S))
    services.start_postgres()

    job.finish(600)
    runs = study.runs()
    assert [run["status"] for run in runs.values()] == ["FINISHED"] * 3
    check_steps(study, begun_again=4)
    for name, run in study.trials().items():
        print(f"{name}: waited for MLflow for {run['metrics']['tracking/longest_seconds']:.1f} s at most")
        assert run["metrics"]["tracking/longest_seconds"] <= BLOCKED_AT_MOST_S
    assert not list(study.folder.rglob("undelivered*"))


def test_whatever_ends_the_driver_its_runs_are_closed_with_the_reason_and_resume_finishes(rig, services, running):
    study = Study(rig, services, "ends", minutes=1.5)
    bystander = study.bystander()
    running.append(bystander)

    def closed():
        runs = study.runs()
        return len(runs) == 3 and all(
            run["status"] == "KILLED" and "end_reason" in run["tags"] for run in runs.values()
        )

    def reasons():
        return sorted({run["tags"]["end_reason"] for run in study.runs().values()})

    job = study.submit()
    running.append(job)
    study.wait_for_steps(job)
    study.stop_job(job)
    took = study.wait_until(closed, CLOSED_WITHIN_S, job)
    print(f"job stopped: closed within {took:.0f} s: {reasons()}")
    assert job.end(60) == 1

    driver = study.resume_here()
    running.append(driver)
    study.wait_for_steps(driver, more=256)
    driver.terminate()
    took = study.wait_until(closed, CLOSED_WITHIN_S, driver)
    print(f"SIGTERM: closed within {took:.0f} s: {reasons()}")
    driver.end(60)

    job = study.submit(resume=True)
    running.append(job)
    study.wait_for_steps(job, more=256)
    heard_since, _ = bystander.wait_for("open", 60)
    time.sleep(max(0.0, heard_since + HEARS_ALL_S - bystander.now()))
    killed = time.time()
    rig.head.kill()
    took = study.wait_until(closed, OUTLIVES_HEAD_S + DEAD_WITHIN_S, bystander)
    print(f"head killed: closed by another run within {took:.0f} s: {reasons()}")
    after = {name: run["ended"] - killed for name, run in study.runs().items()}
    print(f"seconds after the head's death: { {name: round(seconds) for name, seconds in after.items()} }")
    # The driver's process died with the head.
    assert after["ends-1"] <= DEAD_WITHIN_S
    rig.mend()

    job = study.submit(resume=True)
    running.append(job)
    job.finish(600)
    assert {run["status"] for run in study.runs().values()} == {"FINISHED"}
    check_steps(study, begun_again=3)
