"""What a run leaves behind on a cluster that outlives it."""

import time

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
