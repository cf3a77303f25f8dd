"""Each of Gymnasium's vector wrappers around the reward, in every autoreset mode, against an independent sum.

The sum comes from single environments that are told when to reset, and from the reward model asked frame by frame.
"""

import copy
import functools
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces.utils import flatten
from gymnasium.vector import AsyncVectorEnv
from gymnasium.wrappers import TransformAction, TransformObservation, TransformReward
from gymnasium.wrappers import vector as wrappers
from gymnasium.wrappers.utils import RunningMeanStd

from tests.vlm_rewards.environment.grid_env import (
    COLOURS,
    ENCODER,
    STAY,
    grid_client,
)
from tests.vlm_rewards.environment.independent_sum import (
    COUNT,
    DISABLED,
    MODES,
    SAME,
    SEED,
    Grid,
    build,
    expected,
    played,
)
from tests.vlm_rewards.environment.painted_env import PaintedEnv
from vlm_rewards.environment.episode_statistics import EpisodeStatistics
from vlm_rewards.environment.vlm_reward_vec_env import VLMRewardVecEnv
from vlm_rewards.errors import ConfigError, NotCopyableError


def unchanged(rewards, terminations):
    return rewards


def normalised(rewards, terminations):
    """Gymnasium's formula: by the spread of the discounted sums so far."""
    spread, sums, answer = RunningMeanStd(shape=()), np.zeros(COUNT, np.float32), []
    for now, ended in zip(rewards, terminations, strict=True):
        sums = sums * 0.99 * (1 - ended) + now
        spread.update(sums)
        answer.append(now / np.sqrt(spread.var + 1e-8))
    return np.array(answer)


@dataclass(frozen=True)
class Case:
    """A wrapper, what it is given, and what is to come out of it.

    Attributes:
        wrap: Puts it around an environment.
        pays: The rewards (T, COUNT) that come out, from those and the terminations that go in.
        act: Turns a step's cells (COUNT,) into what the wrapper takes for them.
        shows: What becomes of one observation; None leaves that open.
        options: Of `Grid`.
    """

    wrap: Callable[[Any], Any]
    pays: Callable[[np.ndarray, np.ndarray], np.ndarray] = unchanged
    act: Callable[[np.ndarray], Any] = lambda actions: actions
    shows: Callable[[Any], Any] | None = lambda observation: observation
    options: tuple[str, ...] = ()


def image(observation):
    return observation["image"]


def grey(observation):
    return (observation["image"] @ np.array([0.2125, 0.7154, 0.0721])).astype(np.uint8)


PICTURES = ("pictures_only",)
SPACE = Grid().observation_space
CASES = {
    "TransformObservation": Case(
        lambda env: wrappers.TransformObservation(env, image, single_observation_space=SPACE["image"]), shows=image
    ),
    "VectorizeTransformObservation": Case(
        lambda env: wrappers.VectorizeTransformObservation(
            env, TransformObservation, func=image, observation_space=SPACE["image"]
        ),
        shows=image,
    ),
    "FilterObservation": Case(
        lambda env: wrappers.FilterObservation(env, ["goal"]), shows=lambda o: {"goal": o["goal"]}
    ),
    "FlattenObservation": Case(wrappers.FlattenObservation, shows=lambda o: flatten(SPACE, o)),
    "GrayscaleObservation": Case(wrappers.GrayscaleObservation, shows=grey, options=PICTURES),
    "ResizeObservation": Case(
        lambda env: wrappers.ResizeObservation(env, (12, 12)), shows=lambda o: o["image"][::2, ::2], options=PICTURES
    ),
    "ReshapeObservation": Case(
        lambda env: wrappers.ReshapeObservation(env, (12, 48, 3)),
        shows=lambda o: o["image"].reshape(12, 48, 3),
        options=PICTURES,
    ),
    "RescaleObservation": Case(
        lambda env: wrappers.RescaleObservation(
            wrappers.DtypeObservation(env, np.float32), np.float32(0), np.float32(1)
        ),
        shows=lambda o: o["image"].astype(np.float32) / 255,
        options=PICTURES,
    ),
    "DtypeObservation": Case(
        lambda env: wrappers.DtypeObservation(env, np.float32),
        shows=lambda o: o["image"].astype(np.float32),
        options=PICTURES,
    ),
    "NormalizeObservation": Case(
        lambda env: wrappers.NormalizeObservation(wrappers.DtypeObservation(env, np.float32)),
        shows=None,
        options=PICTURES,
    ),
    "TransformAction": Case(
        lambda env: wrappers.TransformAction(env, lambda actions: STAY - actions), act=lambda cells: STAY - cells
    ),
    "VectorizeTransformAction": Case(
        lambda env: wrappers.VectorizeTransformAction(
            env, TransformAction, func=lambda action: STAY - action, action_space=env.single_action_space
        ),
        act=lambda cells: STAY - cells,
    ),
    "ClipAction": Case(
        wrappers.ClipAction,
        # Beyond both ends of what the environment takes.
        act=lambda cells: np.where(cells == STAY, 99, np.where(cells == 0, -99, cells))[:, None].astype(np.float32),
        options=("continuous",),
    ),
    "RescaleAction": Case(
        lambda env: wrappers.RescaleAction(env, -1.0, 1.0),
        act=lambda cells: (2 * cells / STAY - 1)[:, None].astype(np.float32),
        options=("continuous",),
    ),
    "TransformReward": Case(
        lambda env: wrappers.TransformReward(env, lambda rewards: 2 * rewards - 1), pays=lambda r, _: 2 * r - 1
    ),
    "VectorizeTransformReward": Case(
        lambda env: wrappers.VectorizeTransformReward(env, TransformReward, func=lambda reward: 3 * reward),
        pays=lambda rewards, _: 3 * rewards,
    ),
    "ClipReward": Case(lambda env: wrappers.ClipReward(env, 0.0, 0.5), pays=lambda rewards, _: rewards.clip(0, 0.5)),
    "NormalizeReward": Case(wrappers.NormalizeReward, pays=normalised),
    "RecordEpisodeStatistics": Case(wrappers.RecordEpisodeStatistics),
    "DictInfoToList": Case(wrappers.DictInfoToList),
    "RecordVideo": Case(
        lambda env: wrappers.RecordVideo(env, "videos", episode_trigger=lambda number: True, gc_trigger=None)
    ),
    "HumanRendering": Case(lambda env: wrappers.HumanRendering(env, (24, 72))),
    "ArrayConversion": Case(lambda env: wrappers.ArrayConversion(env, np, np), options=("numbers_only",)),
    "NumpyToTorch": Case(lambda env: wrappers.NumpyToTorch(env), act=torch.from_numpy, options=("numbers_only",)),
}
# Gymnasium refuses these modes itself, or cannot convert `final_obs`: who wants them takes NEXT_STEP.
REFUSED = {
    name: {SAME} for name in CASES if name.endswith("Observation") or name in ("ArrayConversion", "NumpyToTorch")
}
REFUSED["NormalizeObservation"] = {SAME, DISABLED}
NEEDS = {"ArrayConversion": "array_api_compat", "NumpyToTorch": "array_api_compat", "HumanRendering": "pygame"}


@pytest.fixture
def films(monkeypatch, tmp_path):
    """Stands for the packages that write films and resize pictures; returns the films, as lists of frames."""
    made = []

    class Clip:
        def __init__(self, frames, fps):
            made.append(list(frames))

        def write_videofile(self, path, logger):
            pass

    modules = ("moviepy", "moviepy.video", "moviepy.video.io", "moviepy.video.io.ImageSequenceClip")
    for name in modules:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules[modules[-1]].ImageSequenceClip = Clip

    def resize(picture, size, interpolation=None):
        return picture[:: len(picture) // size[1], :: picture.shape[1] // size[0]]

    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace(resize=resize, INTER_AREA=3))
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.chdir(tmp_path)
    return made


def test_every_wrapper_that_gymnasium_has_is_here():
    assert set(CASES) == {name for name in wrappers.__all__ if not name.startswith("Jax")}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["own", "sync-next", "sync-same", "disabled"])
@pytest.mark.parametrize("name", CASES)
def test_under_each_wrapper_every_episode_is_that_of_an_independent_sum(name, kind, films):
    case, mode = CASES[name], MODES[kind]
    pytest.importorskip(NEEDS.get(name, "gymnasium"))
    inner = build(kind, **dict.fromkeys(case.options, True))
    if mode in REFUSED.get(name, ()):
        with pytest.raises((AssertionError, BufferError)):
            played(case.wrap(inner), mode, case.act)
        return
    check(played(case.wrap(inner), mode, case.act), case, mode)


def check(found, case, mode):
    """Compares what came out with the independent play."""
    right = expected(mode)
    assert right.terminations.sum() >= 7
    assert right.truncations.sum() >= 16
    np.testing.assert_allclose(found.rewards, case.pays(right.rewards, right.terminations), rtol=1e-5)
    np.testing.assert_array_equal(found.terminations, right.terminations)
    np.testing.assert_array_equal(found.truncations, right.truncations)
    assert [(index, length) for index, _, length in found.episodes] == [
        (index, length) for index, _, length in right.episodes
    ]
    if case.pays is unchanged:
        assert found.episodes == right.episodes
    if case.shows is None:
        return
    pictures_only = bool(case.options) and case.options == PICTURES
    for shown, states in zip(found.observations, right.observations, strict=True):
        wanted = [case.shows(state) for state in states]
        if isinstance(wanted[0], dict):
            for key in wanted[0]:
                np.testing.assert_array_equal(np.asarray(shown[key]), [one[key] for one in wanted])
        else:
            np.testing.assert_allclose(shown, wanted, atol=1 if pictures_only and shown.ndim == 3 else 1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["own", "sync-next", "sync-same"])
@pytest.mark.parametrize("name", CASES)
def test_a_wrapper_inside_plays_the_same_episodes_or_is_refused_when_the_reward_is_put_on(name, kind, films):
    case, mode = CASES[name], MODES[kind]
    pytest.importorskip(NEEDS.get(name, "gymnasium"))
    if name in ("DictInfoToList", "RecordEpisodeStatistics") or (
        name == "NormalizeObservation" and kind == "sync-next"
    ):
        with pytest.raises(ConfigError, match=rf"^{name} inside .* put .* around"):
            build(kind, case.wrap, **dict.fromkeys(case.options, True))
        return
    if name == "NormalizeObservation" and kind != "own":  # Gymnasium refuses it there
        return
    env = build(kind, case.wrap, **dict.fromkeys(case.options, True))
    # What it does to the environment's own reward is no matter.
    check(played(env, mode, case.act), replace(case, pays=unchanged), mode)


@pytest.mark.parametrize("kind", ["async-next", "async-same"])
def test_sub_environments_in_processes_of_their_own_play_the_same_episodes(kind):
    case = Case(lambda env: env)
    check(played(build(kind), MODES[kind]), case, MODES[kind])


@pytest.mark.parametrize("kind", ["own", "sync-next", "sync-same", "async-same"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_plays_the_same_episodes_or_says_why_there_is_none(kind, copied):
    env = build(kind)
    env.reset(seed=1)
    if kind.startswith("async"):
        with pytest.raises(NotCopyableError, match=r"neither copied nor pickled: .* make another"):
            copied(env)
    else:
        check(played(copied(env), MODES[kind]), Case(lambda env: env), MODES[kind])
    env.close()


def test_sub_environments_that_are_spawned_are_rewarded_for_what_they_show():
    """As on machines that cannot fork: nothing of the parent comes along but what was pickled."""
    frames = np.stack([ENCODER.frame_of(f"Screenshot of the {name} cell on Android") for name in COLOURS])
    makers = [functools.partial(PaintedEnv, frames, 5) for _ in range(2)]
    env = AsyncVectorEnv(makers, autoreset_mode=DISABLED, context="spawn")
    env = EpisodeStatistics(VLMRewardVecEnv(env, grid_client()))
    env.reset(seed=1)
    env.action_space.seed(1)
    episodes, lengths, red = [], np.zeros(2, int), list(COLOURS).index("red")
    for _ in range(30):
        actions = env.action_space.sample()
        _, rewards, terminations, truncations, _ = env.step(actions)
        np.testing.assert_array_equal(rewards, actions == red)
        np.testing.assert_array_equal(terminations, actions == red)
        lengths += 1
        for index in np.flatnonzero(terminations | truncations):
            assert truncations[index] == (lengths[index] == 5)
            episodes.append((rewards[index], lengths[index]))
            lengths[index] = 0
    assert list(zip(env.return_queue, env.length_queue, strict=True)) == episodes
    assert {reward for reward, _ in episodes} == {0, 1}
    env.close()


# Under SAME_STEP Gymnasium films no last frame, and without autoreset one more for each reset of another.
@pytest.mark.parametrize("kind", ["own", "sync-next"])
def test_films_begin_and_end_with_the_episodes_of_the_first_sub_environment(kind, films):
    played(
        wrappers.RecordVideo(build(kind), "videos", episode_trigger=lambda number: True, gc_trigger=None), MODES[kind]
    )
    lengths = [length for index, _, length in expected(MODES[kind]).episodes if index == 0]
    # A film has the frame of the reset, and one for each step.
    assert [len(film) for film in films[: len(lengths)]] == [length + 1 for length in lengths]


@pytest.mark.parametrize("kind", MODES)
@pytest.mark.parametrize("statistics", [EpisodeStatistics, wrappers.RecordEpisodeStatistics])
def test_statistics_are_those_of_an_independent_sum(statistics, kind):
    if statistics is not EpisodeStatistics and MODES[kind] == SAME:
        pytest.skip("Gymnasium's own drops each first step under SAME_STEP: `EpisodeStatistics` is there for that")
    env = statistics(build(kind), buffer_length=1000)
    played(env, MODES[kind])
    right = [(total, length) for _, total, length in expected(MODES[kind]).episodes]
    assert list(zip(env.return_queue, env.length_queue, strict=True)) == right


@pytest.mark.parametrize("kind", ["own", "sync-same", "disabled"])
def test_a_mask_resets_what_it_names_and_the_callers_dict_stays(kind):
    env = EpisodeStatistics(build(kind))
    env.reset(seed=SEED)
    env.step(np.full(COUNT, STAY))
    options = {"reset_mask": np.array([True, False, False])}
    mask = options["reset_mask"].copy()
    env.reset(options=options)
    assert list(options) == ["reset_mask"]
    np.testing.assert_array_equal(options["reset_mask"], mask)
    np.testing.assert_array_equal(env.episode_lengths, [0, 1, 1])
    assert [single.get_wrapper_attr("steps") for single in env.unwrapped.envs] == [0, 1, 1]
