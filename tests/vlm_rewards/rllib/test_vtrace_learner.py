"""V-trace as the learners of IMPALA and APPO compute it, on episodes made by hand; and what their thread does wrong."""

import threading

import numpy as np
import pytest
import torch
from ray.rllib.algorithms.appo.torch import appo_torch_learner
from ray.rllib.algorithms.impala.torch import impala_torch_learner
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from rllib_configs.algorithms import ALGORITHMS
from tests.vlm_rewards.environment.grid_env import grid_client, make_grid
from vlm_rewards.rllib.rl_module import GoalModuleConfig

GAMMA = 0.5
ENDS = ("terminated", "truncated", "cut")
STOCK = {
    "impala": (impala_torch_learner, impala_torch_learner.IMPALATorchLearner),
    "appo": (appo_torch_learner, appo_torch_learner.APPOTorchLearner),
}


@pytest.fixture
def learner_of(ray_session):
    """Builds the learner of an algorithm, alone, and stops its thread in the end."""
    built = []

    def build(name, recurrent=False, learner_class=None):
        # One fragment holds all that the tests feed: no trace is cut by the length of a row.
        hyperparameters = ALGORITHMS[name](
            gamma=GAMMA, rollout_fragment_length=32, train_batch_size=32, learning_rate=1e-2
        )
        config = hyperparameters.make_config(
            env=make_grid,
            env_kwargs={},
            client_factory=grid_client,
            module=GoalModuleConfig(
                channels=(4,), strides=(4,), goal_dim=8, hidden_dim=16, recurrent=recurrent, max_seq_len=8
            ),
            num_env_runners=1,
            num_envs_per_env_runner=1,
            seed=0,
        )
        if learner_class is not None:
            config.training(learner_class=learner_class)
        env = make_grid()
        learner = config.build_learner(spaces={"default_policy": (env.observation_space, env.action_space)})
        built.append(learner)
        return learner

    yield build
    for learner in built:
        learner.shutdown()


def episodes_of(learner):
    """One episode for each way to end, with the policy's own log-probabilities: on-policy, all weights are 1."""
    module = learner.module["default_policy"]
    episodes = []
    for seed, end in enumerate(ENDS):
        env = make_grid()
        observation, _ = env.reset(seed=seed)
        episode = SingleAgentEpisode(
            observation_space=env.observation_space, action_space=env.action_space, observations=[observation]
        )
        state = {key: value[None] for key, value in module.get_initial_state().items()}
        rewards = (0.0, 0.25, 1.0)
        for step, reward in enumerate(rewards):
            now = {key: torch.from_numpy(np.asarray(value))[None] for key, value in observation.items()}
            if state:
                now = {key: value[None] for key, value in now.items()}
            output = module.forward_inference({Columns.OBS: now, Columns.STATE_IN: state})
            logits = output[Columns.ACTION_DIST_INPUTS].reshape(-1)
            action = step + seed
            observation, *_ = env.step(action)
            extra = {Columns.ACTION_LOGP: np.float32(torch.log_softmax(logits, dim=0)[action])}
            if state:
                extra[Columns.STATE_OUT] = {"h": output[Columns.STATE_OUT]["h"][0].numpy()}
                state = output[Columns.STATE_OUT]
            last = step == len(rewards) - 1
            episode.add_env_step(
                observation,
                np.int64(action),
                np.float32(reward),
                terminated=last and end == "terminated",
                truncated=last and end == "truncated",
                extra_model_outputs=extra,
            )
        episodes.append(episode.to_numpy())
    return episodes


def traced(name, learner, monkeypatch):
    """V-trace's targets and advantages of the steps that were taken, (3, 3) each, and the values of final states."""
    seen = {}
    original = STOCK[name][0].vtrace_torch

    def spy(**kwargs):
        seen["targets"], seen["advantages"] = original(**kwargs)
        seen["values"] = kwargs["values"].detach()
        return seen["targets"], seen["advantages"]

    monkeypatch.setattr(STOCK[name][0], "vtrace_torch", spy)
    batch = learner._learner_connector(
        rl_module=learner.module, batch={}, episodes=episodes_of(learner), shared_data={}
    )
    output = learner.module.forward_train(batch)
    loss = learner.compute_losses(fwd_out=output, batch=batch)["default_policy"]
    assert torch.isfinite(loss)
    loss.backward()
    gradients = [p.grad for p in learner.module["default_policy"].parameters() if p.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    # Rows are (time, row); every episode has its 3 steps and the step behind them.
    flat = {key: value.transpose(0, 1).reshape(-1) for key, value in seen.items()}
    if learner.module["default_policy"].is_stateful():
        flat = {key: value.reshape(3, -1)[:, :4] for key, value in flat.items()}
    else:
        flat = {key: value[:12].reshape(3, 4) for key, value in flat.items()}
    return flat["targets"][:, :3], flat["advantages"][:, :3], flat["values"]


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("name", STOCK)
def test_time_limits_and_cuts_count_the_value_of_what_was_left_and_ends_count_nothing(
    learner_of, monkeypatch, name, recurrent
):
    targets, advantages, values = traced(name, learner_of(name, recurrent), monkeypatch)
    final = {"terminated": 0.0, "truncated": values[1, 3], "cut": values[2, 3]}
    assert all(abs(final[end]) > 1e-3 for end in ("truncated", "cut"))
    for row, end in enumerate(ENDS):
        last = 1.0 + GAMMA * final[end]
        expected = torch.tensor([GAMMA * (0.25 + GAMMA * last), 0.25 + GAMMA * last, last])
        torch.testing.assert_close(targets[row], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(advantages[row], expected - values[row, :3], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", STOCK)
def test_rllibs_own_learner_still_cancels_the_value_of_what_was_left(learner_of, monkeypatch, name):
    """When this fails, RLlib has been mended and `MuteBootstrapSteps` may go."""
    targets, _, values = traced(name, learner_of(name, learner_class=STOCK[name][1]), monkeypatch)
    truncated = targets[ENDS.index("truncated"), 2]
    bootstrapped = 1.0 + GAMMA * values[ENDS.index("truncated"), 3]
    assert abs(truncated - 1.0) < abs(truncated - bootstrapped) / 2


def update(learner, times=1):
    for _ in range(times):
        data = TrainingData(episodes=episodes_of(learner))
        result = learner.update(training_data=data, timesteps={}, num_epochs=1, minibatch_size=None)
    return result


@pytest.mark.parametrize("name", STOCK)
def test_what_goes_wrong_in_the_thread_that_learns_is_raised_to_the_caller(learner_of, monkeypatch, name):
    learner = learner_of(name)
    assert np.isfinite(update(learner)["default_policy"]["total_loss"].peek())

    def fail(**kwargs):
        raise ArithmeticError("no such loss")

    monkeypatch.setattr(learner, "compute_losses", fail)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    with pytest.raises(ArithmeticError, match="no such loss"):
        update(learner, times=3)  # APPO may still have results of an earlier pass to hand out
    with pytest.raises(ArithmeticError, match="no such loss"):
        update(learner)


def test_a_checkpoint_waits_for_the_end_of_a_gradient_step(learner_of, monkeypatch):
    learner = learner_of("impala")
    order = []
    compute_losses = learner.compute_losses
    saver = threading.Thread(target=lambda: (learner.get_state(), order.append("state")))

    def during_a_step(**kwargs):
        saver.start()
        saver.join(0.5)
        order.append("step")
        return compute_losses(**kwargs)

    monkeypatch.setattr(learner, "compute_losses", during_a_step)
    update(learner)
    saver.join()
    assert order == ["step", "state"]
