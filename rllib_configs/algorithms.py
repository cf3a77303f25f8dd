"""One way to any of the algorithms, by name."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from rllib_configs.appo import APPOHyperparameters, appo_config
from rllib_configs.common import CommonHyperparameters
from rllib_configs.impala import IMPALAHyperparameters, impala_config
from rllib_configs.ppo import PPOHyperparameters, ppo_config
from vlm_rewards.errors import ConfigError

AlgorithmName = Literal["ppo", "appo", "impala"]


class RegisteredAlgorithm(NamedTuple):
    """An algorithm that presets may name.

    Attributes:
        make_config: returns its configuration; takes `hyperparameters` and the arguments of `common.agent_config`.
        hyperparameters: their class.
        asynchronous: whether it samples while it learns. Then it needs an env runner, equal seeds do not give equal
            weights, and learner results may lag (`health.check` wants to be told).
    """

    make_config: Callable[..., AlgorithmConfig]
    hyperparameters: type[CommonHyperparameters]
    asynchronous: bool


ALGORITHMS: Mapping[AlgorithmName, RegisteredAlgorithm] = {
    "ppo": RegisteredAlgorithm(ppo_config, PPOHyperparameters, asynchronous=False),
    "appo": RegisteredAlgorithm(appo_config, APPOHyperparameters, asynchronous=True),
    "impala": RegisteredAlgorithm(impala_config, IMPALAHyperparameters, asynchronous=True),
}


def algorithm_config(
    algorithm: AlgorithmName, hyperparameters: CommonHyperparameters | None = None, **agent: Any
) -> AlgorithmConfig:
    """Returns the configuration of an algorithm, ready to `build_algo()`.

    Args:
        algorithm: its name.
        hyperparameters: of its class in `ALGORITHMS`; None for the defaults.
        agent: env, reward, networks and sampling: the keyword arguments of `rllib_configs.common.agent_config`.

    Raises:
        ConfigError: an unknown algorithm, hyperparameters of another one, or what the algorithm cannot work with.
    """
    if algorithm not in ALGORITHMS:
        raise ConfigError(f"there is no algorithm {algorithm!r}; choose one of {', '.join(ALGORITHMS)}")
    known = ALGORITHMS[algorithm]
    if hyperparameters is not None and not isinstance(hyperparameters, known.hyperparameters):
        raise ConfigError(
            f"{algorithm} takes {known.hyperparameters.__name__}, not {type(hyperparameters).__name__}; "
            "give it hyperparameters of its own"
        )
    return known.make_config(hyperparameters=hyperparameters, **agent)
