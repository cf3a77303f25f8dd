from typing import Literal

import pytest
from ray.rllib.core.rl_module.apis import TargetNetworkAPI

from experiments.shared.preset_files import load_preset
from experiments.training.config import TrainConfig
from rllib_configs.algorithms import ALGORITHMS
from rllib_configs.common import ActorCriticHyperparameters, CommonHyperparameters
from rllib_configs.ppo import PPOHyperparameters
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.env_runner import RewardEnvRunner

AGENT = {"env": "x", "env_kwargs": {"size": 3}, "client_factory": object, "num_env_runners": 1}
ASYNCHRONOUS = [name for name in ALGORITHMS if ALGORITHMS[name].is_asynchronous]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_gives_the_same_guarantees(name):
    config = ALGORITHMS[name]().make_config(seed=7, sample_timeout_s=33.0, **AGENT)
    assert config.algo_class.__name__.upper().endswith(name.upper())
    assert config.env_runner_cls is RewardEnvRunner
    assert config.env_config["env_kwargs"] == {"size": 3, "terminate_on_success": False}
    assert config.evaluation_config["env_config"]["env_kwargs"] == {"size": 3, "terminate_on_success": True}
    assert config.evaluation_config["_env_to_module_connector"] is None
    assert (config.restart_failed_env_runners, config.ignore_env_runner_failures) == (False, False)
    assert (config.seed, config.sample_timeout_s, config.num_learners) == (7, 33.0, 0)
    assert issubclass(config.rl_module_spec.module_class, TargetNetworkAPI)
    config.validate()

    truth = ALGORITHMS[name]().make_config(**{**AGENT, "client_factory": None})
    assert truth.env_config["env_kwargs"]["terminate_on_success"] is True


@pytest.mark.parametrize("name", ALGORITHMS)
def test_hyperparameters_reach_the_algorithm_and_mistakes_are_refused(name):
    kind = ALGORITHMS[name]
    actor_critic = issubclass(kind, ActorCriticHyperparameters)
    hyper = kind(
        train_batch_size=640,
        learning_rate=3e-3,
        final_learning_rate=1e-4,
        gamma=0.8,
        **({"entropy": 0.02} if actor_critic else {}),
    )
    config = hyper.make_config(total_env_steps=900, **AGENT)
    assert config.lr == [[0, 3e-3], [900, 1e-4]]
    assert (config.train_batch_size_per_learner, config.gamma) == (640, 0.8)
    if actor_critic:
        assert config.entropy_coeff == 0.02
    else:
        with pytest.raises(ConfigError, match="unknown key 'entropy'"):
            kind(entropy=0.02)
    with pytest.raises(ConfigError, match="total_env_steps"):
        hyper.make_config(**AGENT)
    for mistake in ({"learning_rate": 0}, {"grad_clip": 0}, {"no_such_setting": 1}):
        with pytest.raises(ConfigError):
            kind(**mistake)


def test_presets_name_an_algorithm_and_its_hyperparameters():
    assert ALGORITHMS.parse({"name": "appo", "clip": 0.1}) == ALGORITHMS["appo"](clip=0.1)
    assert ALGORITHMS.parse({"clip": 0.1}) == PPOHyperparameters(clip=0.1)
    for wrong, message in (
        ({"name": "dqm"}, "there is no algorithm 'dqm'; did you mean 'dqn'"),
        ({"name": "apo"}, "did you mean 'appo'"),
        ({"name": "impala", "minibatch_size": 3}, "unknown key 'minibatch_size'"),
        ("ppo", "must be a mapping like {name: ppo}, not 'ppo'"),
    ):
        with pytest.raises(ConfigError, match=message):
            ALGORITHMS.parse(wrong)
    with pytest.raises(TypeError, match="no_such_argument"):
        PPOHyperparameters().make_config(no_such_argument=1, **AGENT)


@pytest.mark.parametrize("name", ASYNCHRONOUS)
def test_sampling_that_an_asynchronous_algorithm_cannot_do_is_refused(name):
    with pytest.raises(ConfigError, match=r"set sampling.num_env_runners >= 1"):
        ALGORITHMS[name]().make_config(**{**AGENT, "num_env_runners": 0})
    hyper = ALGORITHMS[name](rollout_fragment_length=16, train_batch_size=256)
    assert hyper.make_config(num_envs_per_env_runner=16, **AGENT).rollout_fragment_length == 16
    with pytest.raises(ConfigError, match=r"512 steps .* more than train_batch_size 256"):
        hyper.make_config(num_envs_per_env_runner=32, **AGENT)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_iteration_is_as_long_as_the_hyperparameters_say(name):
    hyper = ALGORITHMS[name](train_batch_size=2048)
    config = hyper.make_config(**AGENT)
    assert hyper.learner_may_lag == (name != "ppo")
    if name in ("dqn", "muesli"):  # whose batches come from the replay
        assert hyper.iteration_env_steps == config.min_sample_timesteps_per_iteration == 1024
        return
    assert hyper.iteration_env_steps == 2048
    if ALGORITHMS[name].is_asynchronous:
        assert config.min_sample_timesteps_per_iteration == 2048
        assert ALGORITHMS[name](train_batch_size=64).iteration_env_steps == 1024
    else:
        assert PPOHyperparameters().iteration_env_steps == PPOHyperparameters().train_batch_size


def test_a_new_algorithm_is_one_class_that_presets_then_know(monkeypatch):
    monkeypatch.setattr(ALGORITHMS, "_kinds", dict(ALGORITHMS._kinds))

    @ALGORITHMS.add
    class ReinforceHyperparameters(CommonHyperparameters):
        """Plain policy gradients: PPO with one pass and nothing clipped."""

        name: Literal["reinforce"] = "reinforce"
        baseline: bool = True

        def make_config(self, **agent):
            return PPOHyperparameters(epochs=1, clip=100.0, learning_rate=self.learning_rate).make_config(**agent)

    values = load_preset("train", "demo", ["algorithm={name: reinforce, learning_rate: 0.02}"])
    config = TrainConfig(**values)
    assert config.algorithm == ReinforceHyperparameters(learning_rate=0.02)
    assert TrainConfig(**config.model_dump(mode="json")) == config  # as a resumed run reads it
    made = config.algorithm.make_config(**AGENT)
    assert (made.num_epochs, made.clip_param, made.lr) == (1, 100.0, 0.02)
    with pytest.raises(ConfigError, match=r"algorithm.bassline: .* did you mean 'baseline'"):
        TrainConfig(**load_preset("train", "demo", ["algorithm={name: reinforce, bassline: 1}"]))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_learners_share_a_batch_and_gpus_as_they_can_be_shared(name):
    hyper = ALGORITHMS[name](train_batch_size=1024)
    config = hyper.make_config(**AGENT, num_learners=4, num_gpus_per_learner=0.25)
    assert (config.num_learners, config.num_gpus_per_learner) == (4, 0.25)
    assert config.train_batch_size_per_learner == 256
    with pytest.raises(ConfigError, match="1024 cannot be shared equally by 3 learners"):
        hyper.make_config(**AGENT, num_learners=3)
    with pytest.raises(ConfigError, match=r"num_gpus_per_learner is 1\.5: a learner has a share of one GPU"):
        hyper.make_config(**AGENT, num_learners=2, num_gpus_per_learner=1.5)


def test_gpus_are_counted_before_anything_waits_for_them():
    def gpus(*overrides):
        return TrainConfig(**load_preset("train", "smoke", list(overrides))).least_gpus

    assert gpus() == 0
    assert gpus("sampling.num_learners=2", "sampling.num_gpus_per_learner=0.5") == 1
    assert gpus("served_by={kind: deploy, num_gpus: 0.25, replicas: {minimum: 2, maximum: 8}}") == 0.5
    runners = ("sampling.num_env_runners=4", "served_by={kind: in_process, num_gpus: 0.25}")
    assert gpus(*runners, "sampling.num_gpus_per_learner=1") == 2
