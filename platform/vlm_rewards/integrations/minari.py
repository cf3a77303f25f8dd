"""Minari's datasets, in and out."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError
from vlm_rewards.extras import needs_extra
from vlm_rewards.integrations.recorded import EpisodeRewards, RecordedEpisode, checked_pictures
from vlm_rewards.strict_config import near_matches

with needs_extra("minari"):
    import h5py  # noqa: F401 Minari's storage, which it imports late
    from minari import MinariDataset, list_local_datasets, load_dataset
    from minari.data_collector.episode_buffer import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

_ID = re.compile(r"(?:[\w-]+/)*[\w-]+-v\d+")
_METADATA = "metadata.json"
# Of infos or observations, what may say the goal.
_GOAL_KEYS = ("goal_id", "mission", "task", "instruction")


def is_minari(source: str) -> bool:
    """Tell whether a text is a folder of Minari's, or may be an id of one of its datasets."""
    return _data_folder(source) is not None or (_ID.fullmatch(source) is not None and not os.path.exists(source))


class MinariRecording:
    """A dataset of Minari, whose observations or some of them are pictures.

    Attributes:
        record: Where in its folder it says what it is.
    """

    record = f"data/{_METADATA}"

    def __init__(self, source: str, frames: str | None = None) -> None:
        """Open a dataset.

        Args:
            source: Its id, such as `phone/random-v0`, or its folder.
            frames: The observation that a reward sees, `a.b` for one within another; None takes the only picture.

        Raises:
            ConfigError: There is no such dataset here, or none of its observations is a picture.
        """
        folder = _data_folder(source)
        try:
            self._dataset = MinariDataset(folder) if folder is not None else load_dataset(source)
        except FileNotFoundError as error:
            known = near_matches(source, list_local_datasets())
            raise ConfigError(
                f"no Minari dataset {source!r} is here; {known} (`minari download ID` fetches one)"
            ) from error
        except (ValueError, OSError, KeyError, AssertionError) as error:
            raise ConfigError(f"{source} is no usable Minari dataset ({' '.join(str(error).split())[:200]})") from error
        self._key = _picture_key(self._dataset.observation_space, frames, self.name)

    @property
    def name(self) -> str:
        """Its id."""
        return str(self._dataset.spec.dataset_id)

    @property
    def identity(self) -> str:
        """Hex sha256 of its files."""
        digest = hashlib.sha256(repr(self._key).encode())
        for path in sorted(Path(self._dataset.storage.data_path).rglob("*")):
            if path.is_file():
                digest.update(path.name.encode())
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def episodes(self) -> Iterator[RecordedEpisode]:
        """Yield its episodes: of T steps, T + 1 states.

        Raises:
            ConfigError: It holds none, observations that are no pictures, or an episode without a goal.
        """
        if not len(self._dataset):
            raise ConfigError(f"{self.name} holds no episodes")
        for episode in self._dataset.iterate_episodes():
            frames: Any = episode.observations
            for name in self._key:
                frames = frames[name]
            where = f"episode {episode.id} of {self.name}"
            yield RecordedEpisode(checked_pictures(np.asarray(frames), where), _goal(episode))

    def write(self, out: Path, name: str, rewards: Sequence[EpisodeRewards], fingerprint: str) -> None:
        """Write a copy: its rewards those of the states that each step led to, its own in `infos["env_reward"]`.

        Observations and actions stay as they are, without loss. Where an episode ends stays as it was recorded.
        `infos["vlm_score"]` and `infos["vlm_reward"]` are those of each state, the first included.

        Args:
            out: Folder of the new dataset, which does not exist yet.
            name: What the folder is going to be called; such as `paid-v0`, it is the dataset's id.
            rewards: Of each episode in order.
            fingerprint: Of the reward.
        """
        old = self._dataset
        out.mkdir(parents=True)
        storage = MinariStorage.new(
            out / "data", old.observation_space, old.action_space, old.env_spec, jpeg_encoding=False
        )
        metadata = {
            key: value
            for key, value in old.storage.metadata.items()
            if key in ("algorithm_name", "author", "author_email", "code_permalink", "minari_version", "requirements")
        }
        name = name if _ID.fullmatch(name) else re.sub(r"-v\d+$", "", old.spec.dataset_id) + "-vlm-v0"
        described = f"{old.spec.dataset_id} with the rewards of a vision-language model, fingerprint {fingerprint}"
        storage.update_metadata({**metadata, "dataset_id": name, "description": described})
        storage.update_episodes(
            _paid(episode, paid) for episode, paid in zip(old.iterate_episodes(), rewards, strict=True)
        )


def _paid(episode: Any, paid: EpisodeRewards) -> EpisodeBuffer:
    own = np.asarray(episode.rewards)
    infos = {
        **(episode.infos or {}),
        "vlm_score": paid.scores,
        "vlm_reward": paid.rewards,
        # One a state, as all infos are: nothing is paid for the first.
        "env_reward": np.concatenate([np.zeros(1, own.dtype), own]),
    }
    return EpisodeBuffer(
        observations=episode.observations,
        actions=episode.actions,
        rewards=paid.rewards[1:],
        terminations=episode.terminations,
        truncations=episode.truncations,
        infos=infos,
    )


def _data_folder(source: str) -> Path | None:
    folder = Path(os.path.expanduser(source))
    return next((place for place in (folder / "data", folder) if (place / _METADATA).is_file()), None)


def _picture_key(space: gym.Space[Any], frames: str | None, name: str) -> tuple[str, ...]:
    pictures = dict(_pictures(space, ()))
    listed = [".".join(key) for key in pictures]
    if frames is not None:
        key = tuple(frames.split("."))
        if key not in pictures:
            raise ConfigError(
                f"{name} has no picture {frames!r} among its observations; {near_matches(frames, listed)}"
            )
        return key
    if not pictures:
        raise ConfigError(
            f"{name} has no pictures among its observations ({str(space)[:150]}); a reward sees uint8 (H, W, 3): "
            "record them, as with minari.DataCollector around an environment that shows some"
        )
    if len(pictures) > 1:
        raise ConfigError(f"{name} has several pictures ({', '.join(listed)}); name one: --frames {listed[0]}")
    return next(iter(pictures))


def _pictures(space: gym.Space[Any], key: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], gym.Space[Any]]]:
    if isinstance(space, gym.spaces.Dict):
        for name, inner in space.spaces.items():
            yield from _pictures(inner, (*key, str(name)))
    elif (
        isinstance(space, gym.spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3 and space.shape[2] == 3
    ):
        yield key, space


def _goal(episode: Any) -> str | None:
    sources = [episode.infos or {}]
    if isinstance(episode.observations, dict):
        sources.append(episode.observations)
    for key in _GOAL_KEYS:
        for source in sources:
            if key in source and len(source[key]) and isinstance(_first(source[key]), str):
                return str(_first(source[key]))
    return None


def _first(values: npt.NDArray[np.generic] | Sequence[Any]) -> Any:
    value = values[0]
    return value.decode() if isinstance(value, bytes) else str(value) if isinstance(value, np.str_) else value
