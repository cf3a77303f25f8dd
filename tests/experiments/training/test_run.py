"""What a run leaves behind on a cluster that outlives it."""

import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from ray import serve

from experiments.shared.preset_files import load_preset
from experiments.shared.run_folder import RunFolder
from experiments.training.config import TrainConfig
from experiments.training.run import Training
from vlm_rewards.errors import VLMRewardsError


class Silent:
    def stage(self, text):
        pass

    def notice(self, text):
        pass

    def iteration(self, env_steps, metrics):
        pass


class Runner:
    def __init__(self, worker_index):
        self.worker_index = worker_index
        self.seeds = []

    def begin_anew(self, seed):
        self.seeds.append(seed)


class Group:
    def __init__(self, runners):
        self._runners = runners

    def foreach_env_runner(self, func, local_env_runner):
        for runner in self._runners:
            func(runner)


def test_a_new_run_gives_each_env_runner_episodes_of_its_own(tmp_path, monkeypatch):
    changes = ["reward={kind: ground_truth}", "sampling.num_envs_per_env_runner=16"]
    config = TrainConfig(**load_preset("train", "smoke", changes))
    runners = [Runner(index) for index in (1, 2)]

    def seen(self, algorithm, run):
        seeds = [seed + i for runner in runners for seed in runner.seeds for i in range(16)]
        assert len(set(seeds)) == 32
        raise VLMRewardsError("was looked at")

    monkeypatch.setattr(Training, "_train", seen)
    monkeypatch.setattr(
        Training, "_algorithm", lambda *_: nullcontext(SimpleNamespace(env_runner_group=Group(runners)))
    )
    folder = RunFolder.create(tmp_path, "smoke", config.model_dump(mode="json"))
    with pytest.raises(VLMRewardsError, match="was looked at"):
        Training(config, folder, Silent()).execute()


def test_a_run_takes_its_own_reward_service_down_and_no_others(ray_session, tmp_path, monkeypatch):
    config = TrainConfig(**load_preset("train", "smoke", ["reward.model=fake", "served_by.num_cpus=0.1"]))
    seen = []

    def interrupted(self, client, description):
        seen.append(set(serve.status().applications))
        raise VLMRewardsError("something went wrong")

    monkeypatch.setattr(Training, "_algorithm", interrupted)

    @serve.deployment(ray_actor_options={"num_cpus": 0})
    class Others:
        pass

    serve.run(Others.bind(), name="others", route_prefix=None)
    # Applications of the tests before may still be going away.
    before = set(serve.status().applications)
    folders = [RunFolder.create(tmp_path, "smoke", config.model_dump(mode="json")) for _ in range(2)]
    for folder in folders:
        with pytest.raises(VLMRewardsError, match="went wrong"):
            Training(config, folder, Silent()).execute()
    (first,), (second,) = seen[0] - before, seen[1] - seen[0] - before
    assert first.startswith("reward-fake-")
    assert second.startswith("reward-fake-")
    assert first != second
    deadline = time.monotonic() + 30
    while {first, second} & set(serve.status().applications) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not {first, second} & set(serve.status().applications)
    assert "others" in serve.status().applications
    serve.delete("others")
