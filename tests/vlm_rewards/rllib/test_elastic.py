"""Which env runners are given up, replaced and waited for: with actors that do next to nothing in their place."""

import os
import time
import types

import numpy as np
import pytest
import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, OwnerDiedError, RayTaskError

from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib import elastic
from vlm_rewards.rllib.elastic import ElasticRunners, is_lost
from vlm_rewards.rllib.health import EnvRunnersLostError

SAMPLING = {"timeout_seconds": 30.0}


def make_runner(index, raises=None):
    class Runner:
        """Stands for an env runner."""

        def __init__(self):
            self.index, self.seed = index, None
            if raises is not None:
                raise raises

        def apply(self, func, **kwargs):
            return func(self, **kwargs)

        def assert_healthy(self):
            pass

        def begin_anew(self, seed):
            self.seed = seed

    return ray.remote(num_cpus=0)(Runner).remote()


@pytest.fixture
def make(ray_session, monkeypatch):
    """Makes managers of as many stand-ins as wanted, which are killed at the end."""
    monkeypatch.setattr(elastic, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(elastic, "_POLL_S", 0.05)
    made = []

    def of(count, min_share=0.5, raises=None):
        actors = dict(enumerate((make_runner(i + 1) for i in range(count)), 1))
        group = types.SimpleNamespace(
            _worker_manager=types.SimpleNamespace(actors=lambda: actors),
            _make_worker=lambda worker_index, **_: make_runner(worker_index, raises),
            _env_creator=None,
            _remote_config_obj_ref=None,
        )
        config = types.SimpleNamespace(max_requests_in_flight_per_env_runner=1, seed=3, sample_timeout_s=30.0)
        runners = ElasticRunners(types.SimpleNamespace(env_runner_group=group, config=config), min_share)
        said = []
        runners.say = said.append
        made.append(runners)
        return runners, said

    yield of
    for runners in made:
        runners.clear()


def killed(runners, index):
    """Kills an env runner, and waits for its death: it may answer for a moment."""
    ray.kill(runners.actors()[index])
    dead = False
    while not dead:
        try:
            ray.get(runners.actors()[index].apply.remote(lambda runner: None))
        except ActorDiedError:
            dead = True


def indices(runners):
    return [each.get() for each in runners.foreach_actor(lambda runner: runner.index, **SAMPLING)]


def test_what_dies_in_a_call_is_dropped_counted_and_replaced_with_a_seed_of_its_own(make):
    runners, said = make(2)

    def die_if_second(runner):
        if runner.index == 2:
            os._exit(1)
        return runner.index

    assert [each.get() for each in runners.foreach_actor(die_if_second, **SAMPLING)] == [1]
    assert runners.counts == {
        "env_runners": 1, "env_runners_lost": 1, "env_runner_restarts": 0, "fragments_dropped": 1,
    }  # fmt: skip
    back = []
    while not back:
        assert indices(runners) == [1]
        back = runners.probe_unhealthy_actors()
    assert back == [2]
    assert indices(runners) == [1, 2]
    assert runners.counts["env_runner_restarts"] == 1
    seeds = [each.get() for each in runners.foreach_actor(lambda runner: runner.seed, remote_actor_ids=[2])]
    assert isinstance(seeds[0], int)
    assert len(said) == 2
    assert "env runner 2 is lost" in said[0]
    assert "unfinished fragment is dropped; 1 of 2 env runners are left" in said[0]
    assert said[1].endswith("2 of 2 env runners")


def test_below_the_least_share_it_waits_says_so_once_and_goes_on_by_itself(make):
    runners, said = make(2, min_share=0.9)
    killed(runners, 1)
    assert indices(runners) == [2]
    assert runners.probe_unhealthy_actors() == [1]
    assert indices(runners) == [1, 2]
    waits = [line for line in said if "waits" in line]
    assert len(waits) == 1
    assert "1 of 2 env runners are left, and sampling.min_env_runners_share 0.9 asks for 2" in waits[0]
    assert "training goes on" in said[-1]


def test_a_wait_longer_than_any_before_is_told_and_so_is_its_end(make, monkeypatch):
    monkeypatch.setattr(elastic, "_LONG_WAIT_S", 0.5)
    runners, said = make(2)
    assert indices(runners) == [1, 2]
    assert not said

    def slow(runner):
        time.sleep(2.0 if runner.index == 2 else 0.0)
        return runner.index

    assert [each.get() for each in runners.foreach_actor(slow, **SAMPLING)] == [1, 2]
    assert runners.lost == 0
    asked, over = said
    assert asked.startswith("2 of 2 env runners were asked for samples ")
    assert "one that has not after 30 s is replaced" in asked
    assert over.startswith("the wait for samples was over after ")


def test_where_every_wait_is_long_the_first_alone_is_told(make, monkeypatch):
    monkeypatch.setattr(elastic, "_LONG_WAIT_S", 0.2)
    monkeypatch.setattr(elastic, "_LONG_FIRST_WAIT_S", 0.5)
    runners, said = make(1)
    for _ in range(2):
        runners.foreach_actor(lambda runner: time.sleep(1.0), **SAMPLING)
    assert len(said) == 2


def test_asynchronous_samples_of_the_dead_are_dropped_too(make):
    runners, _ = make(2)
    runners.foreach_actor_async(
        lambda runner: runner.index if runner.index == 1 else os._exit(1), elastic._ASYNCHRONOUS_SAMPLE
    )
    found = []
    while runners.lost == 0 or not found:
        found += [each.get() for each in runners.fetch_ready_async_reqs(timeout_seconds=0.5)]
    assert found == [1]
    assert runners.dropped == 1


def test_what_raises_in_a_living_process_is_no_loss(make):
    runners, said = make(1)

    def broken(runner):
        raise ValueError("the screen broke")

    (result,) = runners.foreach_actor(broken, **SAMPLING)
    assert isinstance(result.get(), ValueError)
    assert not said
    assert runners.lost == 0


def test_a_new_one_that_raises_when_it_is_built_ends_the_run_with_its_own_error(make):
    runners, _ = make(1, raises=ConfigError("no such room; name another"))
    killed(runners, 1)
    assert indices(runners) == []
    with pytest.raises(ConfigError, match="no such room; name another"):
        runners.probe_unhealthy_actors()


def test_one_that_dies_again_and_again_ends_the_run(make, monkeypatch):
    monkeypatch.setattr(elastic, "_MOST_DEATHS", 1)
    runners, _ = make(1)
    killed(runners, 1)
    assert indices(runners) == []
    runners.probe_unhealthy_actors()
    killed(runners, 1)
    with pytest.raises(EnvRunnersLostError, match=r"has died 2 times without a sample in between \(ActorDied"):
        indices(runners)


def test_episodes_that_are_lost_are_dropped_and_others_outlive_their_env_runner(make, monkeypatch):
    runners, said = make(1)
    (answer,) = runners.foreach_actor(lambda runner: [[ray.put(np.full(10**6, i))] for i in (1, 2)])
    (one,), (other,) = answer.get()
    kept = runners.adopted(one)

    def gone(reference):
        raise OwnerDiedError(reference.hex(), "", "")

    # On one machine a copy outlives its owner; where the node has gone it does not.
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(ray, "get", gone)
        assert runners.adopted(other) is None
    assert runners.counts["fragments_dropped"] == 1
    killed(runners, 1)
    assert not len(runners.foreach_actor(lambda runner: runner.index))
    assert ray.get(kept).sum() == 10**6
    # What died now was playing no sample.
    assert runners.counts["env_runners_lost"] == 1
    assert runners.counts["fragments_dropped"] == 1
    assert "dropped" not in said[0]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (ActorDiedError(), True),
        (ActorUnavailableError("Socket closed", None), True),
        (ActorDiedError(RayTaskError("__init__", "a traceback", ValueError("no"))), False),
        (RayTaskError("sample", "a traceback", ActorDiedError()).as_instanceof_cause(), False),
        (ValueError("no"), False),
    ],
)
def test_only_processes_and_nodes_are_lost(error, lost):
    assert is_lost(error) is lost
