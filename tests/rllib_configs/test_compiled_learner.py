"""A learner whose networks are compiled: one graph, compiled once, that computes what the others do."""

import numpy as np
import pytest
import torch

from rllib_configs.dqn import DQNHyperparameters
from rllib_configs.impala import IMPALAHyperparameters
from rllib_configs.muesli import MuesliHyperparameters
from rllib_configs.ppo import PPOHyperparameters
from tests.rllib_configs.grid_training import QUICK_REPLAY, SEEING, assert_resumes, grid_config, trained
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.compiled_learner import has_compiler
from vlm_rewards.rllib.rl_module import GoalModuleConfig

ALGORITHMS = {
    "ppo": PPOHyperparameters(train_batch_size=128, minibatch_size=32, epochs=2),
    "dqn": DQNHyperparameters(exploration_steps=200, **QUICK_REPLAY),
    "muesli": MuesliHyperparameters(window=4, unroll=3, **QUICK_REPLAY),
}

needs_compiler = pytest.mark.skipif(not has_compiler(), reason="no C++ compiler: install g++")


@pytest.fixture
def strict():
    """Whatever breaks a graph in two or compiles one again fails; nothing compiled is left for another test."""
    torch._dynamo.reset()
    with torch._dynamo.config.patch(error_on_recompile=True, error_on_nested_fx_trace=True):
        yield
    torch._dynamo.reset()


def config_of(name, backend="eager", compile_learner=True, precision="fp32"):
    module = GoalModuleConfig(**{**SEEING.model_dump(), "training_precision": precision})
    config = grid_config(ALGORITHMS[name], module=module, compile_learner=compile_learner)
    return config.framework(torch_compile_learner_dynamo_backend=backend)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_each_algorithm_s_networks_are_one_graph_compiled_once(ray_session, strict, name, precision):
    torch._dynamo.utils.counters.clear()
    algorithm = config_of(name, precision=precision).build_algo()
    try:
        trained(algorithm, 3)
    finally:
        algorithm.stop()
    counters = torch._dynamo.utils.counters
    assert not counters["graph_break"], dict(counters["graph_break"])
    assert counters["stats"]["unique_graphs"] == 1


@needs_compiler
@pytest.mark.budget(120)  # each network is compiled by g++, once
def test_what_is_compiled_by_inductor_learns_the_same_and_resumes_bit_by_bit(ray_session, strict, tmp_path):
    weights = []
    for compiled in (True, False):
        algorithm = config_of("dqn", "inductor", compile_learner=compiled).build_algo()
        try:
            weights.append(trained(algorithm, 2)[1])
        finally:
            algorithm.stop()
    learned, expected = weights
    for name, value in expected.items():
        np.testing.assert_allclose(learned[name], value, atol=2e-3, err_msg=name)
    built = []

    def build():
        torch._dynamo.reset()  # as in another process
        built.append(config_of("dqn", "inductor").build_algo())
        return built[-1]

    try:
        assert_resumes(build, tmp_path, iterations=2)
    finally:
        for algorithm in built:
            algorithm.stop()


@needs_compiler
def test_without_a_compiler_it_is_one_clear_line(ray_session, monkeypatch):
    assert has_compiler()
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler.*compile_learner out"):
        config_of("ppo").build_algo()


@pytest.mark.parametrize(
    ("hyperparameters", "change", "kwargs"),
    [
        (ALGORITHMS["ppo"], {"recurrent": True}, {}),
        (ALGORITHMS["ppo"], {}, {"num_learners": 2}),
        (IMPALAHyperparameters(train_batch_size=128), {"eye": None}, {"num_env_runners": 1}),
    ],
    ids=["recurrent", "two learners", "asynchronous"],
)
def test_batches_of_several_sizes_are_refused(hyperparameters, change, kwargs):
    module = SEEING.model_copy(update=change)
    with pytest.raises(ConfigError, match="batches of one size"):
        grid_config(hyperparameters, module=module, compile_learner=True, **kwargs)
