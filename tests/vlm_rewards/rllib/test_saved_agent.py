"""An agent that was saved acts as it did, or one line says why it cannot."""

import os

import gymnasium as gym
import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from tests.vlm_rewards.hub.conftest import hub  # noqa: F401 a fixture
from vlm_rewards.cli import commands
from vlm_rewards.environment.action_memory import PAST_ACTIONS, with_past_actions
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH, VOCAB_SIZE, tokenize
from vlm_rewards.errors import CheckpointError, ConfigError
from vlm_rewards.rllib.policy import Policy
from vlm_rewards.rllib.q_module import GoalConditionedQModule
from vlm_rewards.rllib.rl_module import GoalConditionedModule, GoalModuleConfig
from vlm_rewards.rllib.saved_agent import load_agent, push_agent, save_agent

SMALL = {"channels": (4, 4), "strides": (4, 2), "goal_dim": 8, "hidden_dim": 16, "grid": (3, 2)}


def module(kind=GoalConditionedModule, past_actions=0, **settings):
    torch.manual_seed(0)
    return kind(
        observation_space=with_past_actions(
            gym.spaces.Dict(
                image=gym.spaces.Box(0, 255, (48, 32, 3), np.uint8),
                goal=gym.spaces.Box(0, VOCAB_SIZE - 1, (GOAL_LENGTH,), np.int64),
            ),
            past_actions,
            7,
        ),
        action_space=gym.spaces.Discrete(7),
        model_config={**GoalModuleConfig(**{**SMALL, **settings}).to_model_config(), "final_epsilon": 0.25},
    )


OBSERVATIONS = {
    "image": np.random.default_rng(0).integers(0, 256, (6, 48, 32, 3), np.uint8),
    "goal": np.stack([tokenize("open Gmail")] * 6),
    PAST_ACTIONS: np.random.default_rng(1).integers(0, 8, (6, 4)),
}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (GoalConditionedModule, {}),
        (GoalConditionedModule, {"recurrent": True}),
        (GoalConditionedModule, {"tap_grid": (3, 2)}),
        (GoalConditionedQModule, {}),
        (GoalConditionedQModule, {"past_actions": 4}),
    ],
)
def test_it_acts_as_the_one_that_was_saved(kind, settings, tmp_path):
    agent = module(kind, **settings)
    agent.make_target_networks()
    save_agent(agent, tmp_path, environment="android/OpenApp-v0", trained_on="me/lamps", results={"success_rate": 0.75})
    loaded = load_agent(tmp_path)
    assert type(loaded) is kind
    for one, other in ((True, True), (False, False)):
        mine, theirs = Policy(agent, deterministic=one, seed=3), Policy(loaded, deterministic=other, seed=3)
        for _ in range(3):
            np.testing.assert_array_equal(mine.act(OBSERVATIONS), theirs.act(OBSERVATIONS))
    assert not any(name.startswith("target") for name in load_file(tmp_path / "model.safetensors"))
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.pipeline_tag == "reinforcement-learning"
    assert "| success_rate | 0.75 |" in card.text
    assert ("past_actions int64 (B, 4)" in card.text) == ("past_actions" in settings)


def test_the_command_takes_a_runs_newest_checkpoint(tmp_path):
    place = "learner_group/learner/rl_module/default_policy"
    for number, agent in enumerate((module(hidden_dim=8), module())):
        agent.save_to_path(tmp_path / "run" / f"checkpoint_{number}" / place)
        os.utime(tmp_path / "run" / f"checkpoint_{number}" / place / "module_state.pkl", (number, number))
    arguments = ["save-agent", str(tmp_path / "run"), str(tmp_path / "agent"), "--environment", "android/OpenApp-v0"]
    done = CliRunner().invoke(commands.app, arguments)
    assert done.exit_code == 0, done.exception
    actions = [Policy(each, seed=1).act(OBSERVATIONS) for each in (module(), load_agent(tmp_path / "agent"))]
    np.testing.assert_array_equal(*actions)
    done = CliRunner().invoke(commands.app, ["save-agent", str(tmp_path / "agent"), str(tmp_path / "none")])
    assert isinstance(done.exception, ConfigError)
    assert "no checkpoint of RLlib" in str(done.exception)


def change(folder, **values):
    path = folder / "agent.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **values}))


def other_weights(folder):
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "error", "says"),
    [
        (lambda folder: (folder / "agent.yaml").unlink(), ConfigError, "no saved agent"),
        (lambda folder: change(folder, kind="muesli"), ConfigError, "agent.yaml: SavedAgent.kind"),
        (lambda folder: change(folder, actions=8), CheckpointError, "do not fit"),
        (lambda folder: change(folder, surprise=1), ConfigError, "unknown key 'surprise'"),
        (other_weights, CheckpointError, "not the one that was saved"),
        (lambda folder: (folder / "model.safetensors").unlink(), CheckpointError, "missing"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(damage, error, says, tmp_path):
    damage(save_agent(module(), tmp_path))
    with pytest.raises(error, match=says) as raised:
        load_agent(tmp_path)
    assert "\n" not in str(raised.value)


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    agent = module()
    with torch.no_grad():
        agent.policy_head.bias[0] = torch.nan
    with pytest.raises(ConfigError, match=r"policy_head\.bias"):
        save_agent(agent, tmp_path)


def test_it_goes_to_the_hub_and_comes_back(hub):  # noqa: F811 the fixture above
    agent = module()
    address = push_agent(agent, "me/agent", trained_on="me/lamps", license="mit")
    assert address.startswith(f"{hub.url}/me/agent/commit/")
    assert set(hub.files("me/agent")) == {"agent.yaml", "model.safetensors", "README.md"}
    loaded = load_agent("me/agent")
    np.testing.assert_array_equal(Policy(loaded, seed=1).act(OBSERVATIONS), Policy(agent, seed=1).act(OBSERVATIONS))
