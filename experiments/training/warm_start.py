"""Begin a training with the networks of an agent that is trained already."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.core.rl_module.apis import TargetNetworkAPI

from experiments.shared.run_folder import RunFolder
from experiments.training.restoring import restored_networks
from vlm_rewards.errors import ConfigError


def newest_checkpoint(run: str, warn: Callable[[str], None]) -> Path:
    """Return the newest whole checkpoint of a run's folder.

    Args:
        run: Folder of a run of `experiments.train`.
        warn: Told of a checkpoint that is damaged.

    Raises:
        ConfigError: It is no run's folder, or has no checkpoint.
    """
    folder = RunFolder.existing(Path(run).expanduser())
    state = folder.restorable(warn)
    if state is None or state.checkpoint is None:
        raise ConfigError(f"begin_with: the run in {folder.path} has no checkpoint; name one that was trained")
    return folder.path / state.checkpoint


def give_networks(algorithm: Algorithm, checkpoint: Path) -> None:
    """Give an algorithm's learners, target networks and env runners a trained agent's networks.

    Optimisers, replay and schedules begin anew: what was learned is the start of another training, not a part of it.

    Args:
        algorithm: Just built.
        checkpoint: Of an algorithm with networks of the same kind and sizes.

    Raises:
        ConfigError: The networks differ.
    """
    trained = restored_networks(checkpoint)
    kind, state = type(trained), _own(trained.get_state())

    def load(learner: Any) -> None:
        module = learner.module["default_policy"].unwrapped()
        if type(module) is not kind:
            raise KeyError(f"{kind.__name__}, where {type(module).__name__} is asked for")
        # RLlib's set_state takes what it knows of a state and leaves out the rest.
        if different := state.keys() ^ _own(module.get_state()).keys():
            raise KeyError(f"{sorted(different)[0]} is in one of them")
        module.set_state(state)
        if isinstance(module, TargetNetworkAPI):
            for network, target in module.get_target_network_pairs():
                target.load_state_dict(_own(network.state_dict()))

    assert algorithm.learner_group is not None
    assert algorithm.env_runner_group is not None
    try:
        for result in algorithm.learner_group.foreach_learner(load):  # type: ignore[arg-type]  # of the learner alone
            result.get()
    except (RuntimeError, KeyError) as error:
        raise ConfigError(
            f"begin_with: the agent in {checkpoint.parent} has other networks than this run's: train with its "
            f"algorithm, agent and observation settings ({str(error).splitlines()[0]:.120})"
        ) from error
    algorithm.env_runner_group.sync_weights(from_worker_or_learner_group=algorithm.learner_group, inference_only=True)


def _own(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state without target networks, which a module has only in a learner."""
    return {name: value for name, value in state.items() if not name.startswith("target.")}
