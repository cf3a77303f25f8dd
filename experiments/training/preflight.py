"""What a training needs and can be refused for without Ray: asked first, since Ray takes half a minute to start."""

import functools
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from envs.registry import make_env
from experiments.shared.ray_session import quiet_ray
from experiments.training.config import TrainConfig
from experiments.training.environments import replay_in_words, task_set_of
from vlm_rewards.encoders.loading import resolve_model
from vlm_rewards.errors import CheckpointError, ConfigError
from vlm_rewards.rllib.training_goals import TrainingGoals

# NumPy's and RLlib's own limit.
_SEEDS = 2**32
_SECONDS = 10.0


def check_before_ray(configs: Iterable[TrainConfig]) -> None:
    """Check trainings before Ray starts.

    Raises:
        ConfigError: A model is unknown, a seed too large, or an algorithm refuses its settings.
        CheckpointError: A model on the hub cannot be had.
    """
    quiet_ray()
    models: set[str] = set()
    for config in configs:
        if config.seed >= _SEEDS or config.evaluation.seed >= _SEEDS - config.evaluation.episodes:
            raise ConfigError("seed and evaluation.seed must be below 2^32, evaluation's episodes included: lower them")
        _check_algorithm(config)
        if not config.uses_ground_truth:
            models.update(config.reward_model.models)
    for model in sorted(models):
        check_model(model)


def check_model(model: str) -> None:
    """Check that a model is there, or can be had from the hub.

    Raises:
        ConfigError: It is no name, folder or hub id.
        CheckpointError: It is neither in the hub's cache nor on the hub, or the hub cannot be reached.
    """
    if model == "fake":
        return
    source = resolve_model(model)
    if Path(source).is_dir():
        if not Path(source, "config.json").is_file():
            raise CheckpointError(f"{source} has no config.json; give a folder written by save_pretrained")
        return
    # Imported here: most models are folders.
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    if isinstance(try_to_load_from_cache(source, "config.json"), str):
        return
    again = "check the id and the network, or give a folder that holds the model"
    if constants.HF_HUB_OFFLINE:
        raise CheckpointError(f"model {model!r} is not in the hub's cache, and HF_HUB_OFFLINE is set; {again}")
    if not any(os.environ.get(name) for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")):
        _check_host(model, urlsplit(constants.ENDPOINT), again)
    try:
        get_hf_file_metadata(hf_hub_url(source, "config.json"), timeout=_SECONDS)
    except RepositoryNotFoundError as error:
        raise CheckpointError(f"there is no model {model!r} on the hub; {again}") from error
    except (HfHubHTTPError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"model {model!r} cannot be read from the hub ({reason}); {again}") from error


def _check_host(model: str, hub: SplitResult, again: str) -> None:
    host = hub.hostname or "huggingface.co"
    try:
        socket.create_connection((host, hub.port or 443), _SECONDS).close()
    except OSError as error:
        raise CheckpointError(f"model {model!r} is not here, and the hub {host} does not answer; {again}") from error


def _check_algorithm(config: TrainConfig) -> None:
    """Let the algorithm refuse what it would refuse when it is built."""
    goals = TrainingGoals.of(task_set_of(config)) if config.algorithm.scores_all_goals else None
    replay_in_words(config, goals)
    config.algorithm.make_config(
        env=functools.partial(make_env, config.environment.id),
        env_kwargs=config.environment.options,
        client_factory=None,
        total_env_steps=config.total_env_steps,
        # What the eye needs is the reward model's, and there is none yet.
        module=config.agent.model_copy(update={"eye": None}),
        goals=goals,
        num_env_runners=config.sampling.num_env_runners,
        num_envs_per_env_runner=config.sampling.num_envs_per_env_runner,
        num_learners=config.sampling.num_learners,
        num_gpus_per_learner=config.sampling.num_gpus_per_learner,
        torch_threads=config.sampling.learner_threads,
        compile_learner=config.compiles_learner,
        exploring_starts=config.exploring_starts,
        seed=config.seed,
    )
