"""The README's first picture: p(goal) rises while scripted agents do as they are told, in a home and on a phone.

python -m scripts.first_picture docs/images/first.gif

The agents are the environments' own scripts, which know where everything is: the film shows the reward, not what was
learned. Each domain is scored by the packaged reward that its training preset names.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from PIL import Image

from envs.android.selftest import ScriptWriter
from envs.playhouse.policies import make_policy
from envs.registry import make_env
from vlm_rewards.evaluation.videos import RecordedEpisode, write_gif
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.reward_preset import packaged_rewards

_HEIGHT = 240
_MOST_STEPS = 40
# Frames for which the film rests on what was reached.
_REST = 3

Script = Callable[[Any], Iterator[int]]


def home_script(env: Any) -> Iterator[int]:
    """Yield the actions of the home's oracle."""
    policy = make_policy("oracle", env, np.random.default_rng(0))
    policy.reset()
    while True:
        yield int(policy.act())


def phone_script(env: Any) -> Iterator[int]:
    """Yield the shortest way to the goal's app, wherever its icon is."""
    yield from ScriptWriter(env.phone.layout, env.phone.apps).shortest(env.phone.apps.by_name[env.goal.subject].package)


def film(env: gym.Env[Any, Any], script: Script, model: RewardModel, seed: int) -> RecordedEpisode:
    """Play one scripted episode and score each of its states."""
    env.reset(seed=seed)
    inside: Any = env.unwrapped
    pictures, frames = [_scaled(env.render())], [inside.reward_frame()]
    info: dict[str, Any] = {}
    for action, _ in zip(script(inside), range(_MOST_STEPS), strict=False):
        *_, info = env.step(action)
        pictures.append(_scaled(env.render()))
        frames.append(inside.reward_frame())
        if info["is_success"]:
            break
    p = model.score(np.stack(frames), [inside.goal_id] * len(frames))
    title: str = inside.task_set.goal(inside.goal_id).instruction
    rest = [len(frames) - 1] * _REST
    return RecordedEpisode(
        title,
        np.stack([*pictures, *(pictures[i] for i in rest)]),
        np.concatenate([p, p[rest]]),
        model.beta,
        info["is_success"],
    )


def best(name: str, script: Script, reward: str, seeds: range, **options: Any) -> RecordedEpisode:
    """Film episodes and return the longest of those at whose end truth and reward agree, and not before."""
    preset = packaged_rewards()[reward]
    env = make_env(name, render_mode="rgb_array", terminate_on_success=False, **options)
    model = RewardModel(preset.reward, preset.tasks)
    found = [film(env, script, model, seed) for seed in seeds]
    env.close()
    good = [episode for episode in found if episode.success and _agrees(episode)]
    return max(good, key=lambda episode: len(episode.frames))


def as_slow_as(other: RecordedEpisode, episode: RecordedEpisode) -> RecordedEpisode:
    """Return an episode whose states are shown for longer, so that both end together."""
    count = len(other.frames)
    own = len(episode.frames) - _REST
    states = np.minimum(np.arange(count) * own // (count - _REST), own - 1)
    assert episode.probabilities is not None
    return replace(episode, frames=episode.frames[states], probabilities=episode.probabilities[states])


def _agrees(episode: RecordedEpisode) -> bool:
    p, beta = episode.probabilities, episode.beta
    return p is not None and beta is not None and bool((p[: -_REST - 1] <= beta).all()) and bool(p[-1] > max(beta, 0.8))


def _scaled(picture: Any) -> npt.NDArray[np.uint8]:
    image = Image.fromarray(picture)
    return np.asarray(image.resize((round(image.width * _HEIGHT / image.height), _HEIGHT), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    home = best("playhouse/Find-v0", home_script, "reward-pocket-l", range(24))
    phone = best("android/OpenApp-v0", phone_script, "reward-pocket", range(12), layout="shuffled", content="eval")
    write_gif([home, as_slow_as(home, phone)], Path(sys.argv[1]))
