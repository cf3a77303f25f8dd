"""The examples run as they are written, against the real model over real HTTP."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="pip install stable-baselines3")

from examples import stable_baselines3_ppo as example
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.service import InProcessTransport
from vlm_rewards.service.http import BearerTokens, LocalServer, TransportBackend, create_app
from vlm_rewards.service.served_by import Http, InProcess

README = Path(__file__).resolve().parents[2] / "examples" / "README.md"
TOKEN = "a-token-for-the-examples"


class Recording(InProcessTransport):
    """Keeps what it has answered."""

    def __init__(self, model):
        super().__init__(model)
        self.answers = []

    def score(self, frames, goal_ids, timeout_s):
        result = super().score(frames, goal_ids, timeout_s)
        self.answers.append((len(frames), set(goal_ids), result.scores))
        return result


@pytest.fixture(scope="module")
def served():
    """The packaged model behind a gateway that asks for a token; one torch thread, for two fight on busy cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    transport = Recording(RewardModel(example.REWARD, TaskSet.named("open_common_apps")))
    backend = TransportBackend(lambda: {"reward-pocket": transport})
    with LocalServer(create_app(backend, tokens=BearerTokens([TOKEN]))) as server:
        yield server.url, transport
    torch.set_num_threads(threads)


def test_stable_baselines3_is_paid_by_the_served_model_and_by_nothing_else(served, monkeypatch):
    monkeypatch.setenv("VLM_REWARDS_TOKEN", TOKEN)
    url, transport = served
    transport.answers.clear()
    progress = example.train(Http(url=url, model="reward-pocket"), steps=256, seed=0)
    assert [answer[0] for answer in transport.answers] == [8] * 32
    assert set().union(*(answer[1] for answer in transport.answers)) == {"gmail"}
    # What the learner's infos say is what the service has answered, step by step.
    scores = np.concatenate([answer[2] for answer in transport.answers])
    np.testing.assert_array_equal(np.float32(progress.scores), scores)
    # Each score above beta has paid 1 and ended an episode. Some episodes have not ended yet, none of them paid.
    assert sum(progress.returns) == (scores > 0.9).sum() > 0
    assert set(progress.returns) == {0.0, 1.0}
    assert np.mean(np.equal(progress.returns, progress.true_returns)) > 0.9


def test_stable_baselines3_without_a_token_says_so(served):
    with pytest.raises(ConfigError, match="token"):
        example.train(Http(url=served[0], model="reward-pocket"), steps=64)


def test_without_a_gateway_the_same_rewards_come_from_this_process(served, monkeypatch):
    monkeypatch.setenv("VLM_REWARDS_TOKEN", TOKEN)
    over_http = example.train(Http(url=served[0], model="reward-pocket"), steps=64, seed=1)
    here = example.train(InProcess(), steps=64, seed=1)
    assert here.scores == over_http.scores


def test_the_python_of_the_readme_runs(served, monkeypatch):
    monkeypatch.setenv("VLM_REWARDS_TOKEN", TOKEN)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) == 2
    notebook, loop = ({}, {})
    for block, names in zip(blocks, (notebook, loop), strict=True):
        exec(block.replace("http://127.0.0.1:8765", served[0]), names)
    assert notebook["table"].shape == notebook["rewards"].shape == (16, 3)
    assert notebook["scores"].shape == (16,)
    assert len(notebook["embeddings"]) == 16
    assert loop["rewards"].shape == (8,)
    loop["vec_env"].close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--url", "http://127.0.0.1:9"], "no reward gateway answers at"),
        (["--url", "nonsense"], "is no http address"),
        (["--goal", "nonsense"], "unknown goal 'nonsense'"),
    ],
)
def test_what_cannot_work_ends_in_one_line(arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        example.main([*arguments, "--steps", "10"])
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert says in said
    assert said.count("\n") == 1
