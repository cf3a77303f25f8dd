"""The ways to a reward as settings, and what `connect` makes of those that need no Ray."""

import pickle
import threading

import numpy as np
import pytest
import torch

from vlm_rewards.errors import ConfigError, RewardServiceError, RewardServiceUnavailableError
from vlm_rewards.goals import Goal, NegativesSpec
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import HttpTransport, InProcessTransport
from vlm_rewards.service.http import BearerTokens, LocalServer, TransportBackend, create_app
from vlm_rewards.service.matching import refuse_another_reward
from vlm_rewards.service.served_by import SERVED_BY, Attach, Deploy, Http, InProcess, ServedByKind, connect
from vlm_rewards.service.serving import RewardAppArgs, ServingArgs
from vlm_rewards.service.transports.in_process import ModelSource

TOKEN = "a-token-of-sixteen-characters-or-more"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, Deploy),
        ({"kind": "in_process", "torch_threads": 2, "cache_mb": 0}, InProcess),
        ({"kind": "deploy", "num_gpus": 0.25, "max_batch_frames": 32, "replicas": {"maximum": 3}}, Deploy),
        ({"kind": "attach", "app": "reward-pocket-s"}, Attach),
        ({"kind": "http", "url": "http://127.0.0.1:8765", "model": "reward-pocket"}, Http),
    ],
)
def test_each_kind_comes_back_from_its_own_dump(values, kind):
    settings = SERVED_BY.parse(values)
    assert type(settings) is kind
    assert SERVED_BY.parse(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "atach"}, "did you mean 'attach'"),
        ({"kind": "attach"}, "app: is required"),
        ({"kind": "http", "url": "http://x"}, "model: is required"),
        ({"kind": "in_process", "replicas": {}}, "unknown key 'replicas'"),
        ({"replicas": {"minimum": 2, "maximum": 1}}, "maximum is 1, below minimum 2"),
        ({"kind": "attach", "app": "a", "fingerprint": "abc"}, "fingerprint"),
        ("serve", "must be a mapping"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(values, says):
    with pytest.raises(ConfigError, match=says) as raised:
        SERVED_BY.parse(values)
    assert "\n" not in str(raised.value)


def test_a_deployed_reward_takes_every_serving_argument(reward_config, task_set):
    """One schema: what a Serve YAML can say, a preset can say, and it arrives."""
    values = {
        "num_cpus": 2, "num_gpus": 0.5, "torch_threads": 3, "max_batch_frames": 7, "batch_wait_s": 0.1,
        "max_queued_requests": 9, "max_wait_s": 8, "max_waiting_mb": 6, "cache_mb": 5, "log_level": "INFO",
        "replicas": {"minimum": 2, "maximum": 4, "target_frames": 11},
    }  # fmt: skip
    assert set(values) == set(ServingArgs.model_fields)
    served_by = Deploy(**values)
    assert served_by.app_args(reward_config, task_set) == RewardAppArgs(
        reward=reward_config, task_set=task_set, **values
    )
    assert (served_by.least_cpus, served_by.most_cpus) == (4, 8)


def test_a_gpu_that_no_replica_would_see_is_refused(task_set):
    reward = RewardConfig(model="fake", tau=0.1, beta=0.5, device="cuda")
    with pytest.raises(ConfigError, match="no GPU is reserved"):
        Deploy().check(reward)
    with pytest.raises(ConfigError, match="no GPU is reserved"):
        RewardAppArgs(reward=reward, task_set=task_set)
    Deploy(num_gpus=0.5).check(reward)
    assert RewardAppArgs(reward=reward, task_set=task_set, num_gpus=0.5)


@pytest.mark.parametrize("served_by", [Deploy(torch_threads=2, cache_mb=3), Attach(app="x")])
def test_without_ray_the_model_is_in_the_process(served_by):
    assert isinstance(served_by.without_ray(), InProcess)
    assert isinstance(Deploy(torch_threads=2).without_ray(), InProcess)
    assert Deploy(torch_threads=2, cache_mb=3).without_ray() == InProcess(torch_threads=2, cache_mb=3)


def test_a_kind_is_a_class_and_one_entry(task_set, reward_config, reward_model):
    """The place to touch for another way to a reward."""
    from typing import Literal

    from vlm_rewards.registry import Registry

    class Given(ServedByKind):
        kind: Literal["given"] = "given"

        def open(self, reward, task_set, encoder):
            return InProcess().open(reward, task_set, reward_model.encoder)

    registry = Registry("served_by", "kind", *(SERVED_BY[name] for name in SERVED_BY), Given)
    with connect(registry.parse({"kind": "given"}), reward_config, task_set) as client:
        assert client.describe() == reward_model.describe()


def test_a_client_in_process_travels_without_weights_and_takes_its_own_reward_only(
    pocket_model, task_set, make_request, monkeypatch
):
    frames, goal_ids = make_request(4, size=40)
    expected = pocket_model.score(frames, goal_ids)
    with connect(InProcess(), pocket_model.config, task_set) as client:
        parcel = pickle.dumps(client)
        assert len(parcel) < 20_000 < sum(p.stat().st_size for p in _weights(pocket_model))
        for one in (client, pickle.loads(parcel)):
            assert np.array_equal(one.score(frames, goal_ids).scores, expected)
        monkeypatch.setattr(client._transport._ready().model, "fingerprint", "0" * 64)
        with pytest.raises(RewardServiceError, match="changed under this run"):
            client.score(frames, goal_ids)


def _weights(model):
    from pathlib import Path

    return list(Path(model.config.model).glob("*.safetensors"))


def test_a_process_loads_a_model_once_for_as_long_as_somebody_uses_it(reward_config, task_set, monkeypatch):
    loaded = []
    load = ModelSource.load
    monkeypatch.setattr(ModelSource, "load", lambda self: loaded.append(self) or load(self))
    source = ModelSource(reward_config, task_set, cache_mb=1)
    transports = [InProcessTransport(source) for _ in range(4)]
    threads = [threading.Thread(target=one.connect, args=(1,)) for one in transports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    copy = pickle.loads(pickle.dumps(transports[0]))
    assert copy.describe(1) == transports[1].describe(1)
    assert len(loaded) == 1
    InProcessTransport(ModelSource(reward_config, task_set, cache_mb=2)).connect(1)
    assert len(loaded) == 2
    del transports, copy, threads
    InProcessTransport(source).connect(1)
    assert len(loaded) == 3, "weights were kept that nobody uses"


def test_a_model_in_process_computes_with_its_own_threads_and_leaves_the_learners(
    reward_config, task_set, make_request, monkeypatch
):
    transport = InProcessTransport(ModelSource(reward_config, task_set, torch_threads=1))
    transport.connect(1)
    seen = []
    score = RewardModel.score
    monkeypatch.setattr(
        RewardModel, "score", lambda self, *args: seen.append(torch.get_num_threads()) or score(self, *args)
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        transport.score(*make_request(1), 1)
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def behind_http(reward_model):
    """Address of a gateway with tokens, and the reward that it serves as `m`."""
    transports = {"m": InProcessTransport(reward_model)}
    app = create_app(TransportBackend(lambda: transports), tokens=BearerTokens([TOKEN]))
    with LocalServer(app) as server:
        yield server.url


def test_over_http_rewards_are_the_models_and_the_token_stays_at_home(
    behind_http, reward_config, reward_model, task_set, make_request, monkeypatch
):
    served_by = Http(url=behind_http, model="m", token_variable="MY_TOKEN")
    with pytest.raises(ConfigError, match=r"(?i)token"), connect(served_by, reward_config, task_set):
        pass
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    frames, goal_ids = make_request(5)
    with connect(served_by, reward_config, task_set) as client:
        parcel = pickle.dumps(client)
        for one in (client, pickle.loads(parcel)):
            assert np.array_equal(one.score(frames, goal_ids).scores, reward_model.score(frames, goal_ids))
    # RLlib writes clients into checkpoints.
    assert TOKEN.encode() not in parcel
    assert TOKEN not in str(served_by.model_dump())


def test_over_http_another_reward_is_refused_and_an_absent_one_is_told(
    behind_http, reward_config, task_set, monkeypatch
):
    monkeypatch.setenv("VLM_REWARDS_TOKEN", TOKEN)
    strict = reward_config.model_copy(update={"beta": 0.9})
    with (
        pytest.raises(ConfigError, match=r"'m' of http.* reward\.beta is 0\.5 there and 0\.9 here") as raised,
        connect(Http(url=behind_http, model="m"), strict, task_set),
    ):
        pass
    assert "\n" not in str(raised.value)
    with pytest.raises(RewardServiceUnavailableError), connect(Http(url=behind_http, model="n"), strict, task_set):
        pass
    with (
        pytest.raises(RewardServiceUnavailableError),
        connect(Http(url="http://127.0.0.1:9", model="m"), strict, task_set),
    ):
        pass


def test_what_attaches_to_nothing_is_one_clear_line(ray_session, reward_config, task_set):
    with (
        pytest.raises(RewardServiceUnavailableError, match=r"'nothing' is not running.*serve deploy") as raised,
        connect(Attach(app="nothing"), reward_config, task_set),
    ):
        pass
    assert "\n" not in str(raised.value)


def described(config, task_set):
    return RewardModel(config, task_set).describe()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"beta": 0.6}, r"reward\.beta is 0\.6 there and 0\.5 here"),
        ({"tau": 0.2}, r"reward\.tau is 0\.2 there and 0\.1 here"),
        ({"template": "A"}, r"reward\.template is 'Open \[TASK\]' there"),
        ({"head": {"form": "probability"}}, r"reward\.head\.form is 'probability' there and 'softmax_binary' here"),
        ({"head": {"agree": {"need": 2, "of": 3}}}, r"reward\.head\.agree is {'need': 2, 'of': 3} there"),
        ({"negatives": NegativesSpec(count=2)}, r"reward\.negatives is .*'count': 2.* there"),
        ({"head": {"frames": {"kind": "last", "k": 3}}}, r"a setting of reward\.head, differs"),
    ],
)
def test_another_head_is_refused_by_what_differs(reward_config, task_set, changes, says):
    values = {name: getattr(reward_config, name) for name in reward_config.model_fields_set}
    there = described(RewardConfig(**{**values, **changes}), task_set)
    with pytest.raises(ConfigError, match=says) as raised:
        refuse_another_reward(there, reward_config, task_set, "application 'x'")
    assert "\n" not in str(raised.value)
    assert "reward.model" not in str(raised.value)


def test_other_goals_are_refused_by_name(reward_config, task_set):
    def refused(there, says):
        with pytest.raises(ConfigError, match=says):
            refuse_another_reward(described(reward_config, there), reward_config, task_set, "x")

    goals = task_set.goals
    refused(task_set.model_copy(update={"goals": goals[:4]}), "has no goal app4, app5 of task set 'six_apps'")
    more = Goal(id="more", subject="More", instruction="open More")
    refused(task_set.model_copy(update={"goals": (*goals, more)}), "goals that task set 'six_apps' lacks: more")
    reworded = goals[0].model_copy(update={"subject": "Another App"})
    refused(task_set.model_copy(update={"goals": (reworded, *goals[1:])}), "wording of goals or captions")
    # What no reward depends on may differ.
    told = task_set.model_copy(update={"name": "other", "version": 9})
    refuse_another_reward(described(reward_config, told), reward_config, task_set, "x")


def test_another_model_is_refused_by_its_weights_or_where_they_are_not_here_by_its_name(
    reward_config, pocket_model, task_set
):
    there = pocket_model.describe()
    refuse_another_reward(there, pocket_model.config, task_set, "x")
    other = there.model_copy(update={"encoder_fingerprint": "1" * 64})
    other = other.model_copy(update={"fingerprint": pocket_model.config.fingerprint(task_set, "1" * 64)})
    with pytest.raises(ConfigError, match=r"other weights, precision or runtime.*served_by\.fingerprint="):
        refuse_another_reward(other, pocket_model.config, task_set, "x")
    smaller = other.model_copy(update={"image_size": (8, 8)})
    with pytest.raises(ConfigError, match=r"reads images of \(8, 8\)"):
        refuse_another_reward(smaller, pocket_model.config, task_set, "x")
    # The word of somebody who has looked.
    refuse_another_reward(other, pocket_model.config, task_set, "x", fingerprint=other.fingerprint)
    with pytest.raises(ConfigError, match=r"its fingerprint is"):
        refuse_another_reward(other, pocket_model.config, task_set, "x", fingerprint="2" * 64)

    absent = reward_config.model_copy(update={"model": "owner/clip"})
    named = described(reward_config, task_set).model_copy(update={"model": "owner/clip"})
    refuse_another_reward(named, absent, task_set, "x")
    with pytest.raises(ConfigError, match=r"reward\.model is 'fake' there and 'owner/clip' here"):
        refuse_another_reward(described(reward_config, task_set), absent, task_set, "x")


def test_http_transport_reads_its_variable_where_it_calls(monkeypatch):
    copy = pickle.loads(pickle.dumps(HttpTransport("http://127.0.0.1:1", "m", token_variable="OTHER")))
    assert copy._token_variable == "OTHER"
