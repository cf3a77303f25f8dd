"""Whether an environment is what `RewardableEnv` says, step by step."""

import importlib
import importlib.util
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env

from vlm_rewards.checks.episodes import Episode, differs, play
from vlm_rewards.checks.finding import Finding
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH
from vlm_rewards.environment.rewardable_env import RewardableEnv
from vlm_rewards.goals import TaskSet

Make = Callable[..., gym.Env[Any, Any]]

_EPISODES = 3
_STEPS = 30
_TIMED_STEPS = 200


def check_environment(make: Make) -> Iterator[Finding]:
    """Check an environment, and yield what is found as it is found.

    Args:
        make: Builds a new one; takes `terminate_on_success` as a keyword.
    """
    try:
        env = make(terminate_on_success=False)
    except TypeError as error:
        if "terminate_on_success" not in str(error):
            raise
        yield Finding(
            "fail",
            "its constructor takes no terminate_on_success",
            "add it: training passes False, so that the truth never ends an episode that another reward pays",
        )
        return
    try:
        yield from _checkers(env)
        lacking = list(_contract(env))
        yield from lacking or [Finding("ok", "spaces, reward_frame, goal_id and infos are what a reward needs")]
        if lacking:
            yield Finding("note", "the rest was not looked at", "correct these first")
            return
        yield from _goals(env)
        yield from _episodes(env, make)
        yield from _speed(env)
    finally:
        env.close()


def _checkers(env: gym.Env[Any, Any]) -> Iterator[Finding]:
    checkers: dict[str, Callable[[], Any]] = {"Gymnasium": lambda: check_env(env.unwrapped, skip_render_check=True)}
    if importlib.util.find_spec("stable_baselines3"):
        theirs = importlib.import_module("stable_baselines3.common.env_checker")
        checkers["Stable-Baselines3"] = lambda: theirs.check_env(env.unwrapped, warn=True, skip_render_check=True)
    for name, run in checkers.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                run()
            except Exception as error:  # assertions and whatever the environment raises
                yield Finding("fail", f"{name}'s checker: {one_line(error)}", "see its documentation")
                continue
        said = [one_line(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]
        for line in dict.fromkeys(said):
            yield Finding("warn", f"{name}'s checker: {line}")
        if not said:
            yield Finding("ok", f"{name}'s checker has nothing to say")


def _contract(env: gym.Env[Any, Any]) -> Iterator[Finding]:
    """Yield what is missing, and nothing where all is there."""
    space = env.observation_space
    parts = dict(space.spaces) if isinstance(space, gym.spaces.Dict) else {}
    image, goal = parts.get("image"), parts.get("goal")
    if not (isinstance(image, gym.spaces.Box) and image.dtype == np.uint8 and image.shape[2:] == (3,)):
        yield Finding(
            "fail", f"the observation's 'image' is {image}", "make it Box(0, 255, (H, W, 3), uint8) of a Dict space"
        )
    if not (isinstance(goal, gym.spaces.Box) and goal.dtype == np.int64 and goal.shape == (GOAL_LENGTH,)):
        yield Finding(
            "fail",
            f"the observation's 'goal' is {goal}",
            f"make it Box int64 ({GOAL_LENGTH},), filled by vlm_rewards.environment.goal_tokens.tokenize",
        )
    if more := set(parts) - {"image", "goal"}:
        yield Finding(
            "fail", f"the observation also holds {sorted(more)}", "leave it out: a learner may read the truth there"
        )
    _, info = env.reset(seed=0)
    if not isinstance(env.unwrapped, RewardableEnv):
        yield Finding(
            "fail", "it lacks reward_frame() or goal_id", "add what vlm_rewards.environment.RewardableEnv says"
        )
    else:
        frame = env.unwrapped.reward_frame()
        if not (isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3):
            kind = getattr(frame, "dtype", type(frame).__name__)
            yield Finding(
                "fail", f"reward_frame() gives {kind} {getattr(frame, 'shape', '')}", "return uint8 (h, w, 3)"
            )
    for key, kind in (("is_success", bool), ("goal_achieved", bool), ("goal_id", str)):
        if not isinstance(info.get(key), kind):
            yield Finding(
                "fail", f"info[{key!r}] is {info.get(key)!r}", f"put a {kind.__name__} there, at reset and step"
            )


def _goals(env: gym.Env[Any, Any]) -> Iterator[Finding]:
    task_set = getattr(env.unwrapped, "task_set", None)
    if not isinstance(task_set, TaskSet):
        yield Finding("warn", "it has no attribute task_set", "give its TaskSet: training reads the goals there")
        return
    drawn = {env.reset(seed=seed)[1]["goal_id"] for seed in range(8)}
    unknown = drawn - {goal.id for goal in task_set.all_goals}
    if unknown:
        yield Finding("fail", f"goals {sorted(unknown)} are not in its task set", "add them, or draw from the task set")
    else:
        yield Finding("ok", f"goals are of task set {task_set.name!r}; {len(drawn)} different ones in 8 episodes")
    if len(drawn) == 1 and len(task_set.goals) > 1:
        yield Finding("warn", "8 seeds drew one and the same goal", "draw it in reset() by self.np_random")


def _episodes(env: gym.Env[Any, Any], make: Make) -> Iterator[Finding]:
    first = [play(env, seed, _STEPS) for seed in range(_EPISODES)]
    other = make(terminate_on_success=False)
    try:
        second = [play(other, seed, _STEPS, look=False) for seed in range(_EPISODES)]
    finally:
        other.close()
    place = next((place for a, b in zip(first, second, strict=True) if (place := differs(a, b))), None)
    if place:
        yield Finding(
            "fail",
            f"the same seed and actions gave another {place}",
            "draw everything by self.np_random, change nothing in reward_frame(), and hand out copies",
        )
    else:
        yield Finding("ok", f"the same seed gives the same {_EPISODES} episodes, and looking changes nothing")
    if not differs(first[0], play(env, 1000, _STEPS)):
        yield Finding("warn", "another seed gave the same episode", "draw start, goal or content by self.np_random")
    yield from _frames(first)
    yield from _truth(first, make)


def _frames(episodes: list[Episode]) -> Iterator[Finding]:
    shapes = {frame.shape for episode in episodes for frame in episode.frames}
    if len(shapes) > 1:
        yield Finding("fail", f"reward frames come in sizes {sorted(shapes)}", "draw all of them at one size")
    distinct = {frame.tobytes() for episode in episodes for frame in episode.frames}
    count = sum(len(episode.frames) for episode in episodes)
    said = f"{len(distinct)} of {count} reward frames are different, {sorted(shapes)[0]}"
    if len(distinct) > len(episodes):
        yield Finding("ok", said)
    else:
        yield Finding("fail", said, "draw the present state in reward_frame(), not a kept picture")
    flat = next((frame for episode in episodes for frame in episode.frames if frame.min() == frame.max()), None)
    if flat is not None:
        yield Finding("warn", f"a reward frame is one colour, {flat.flat[0]}", "is everything drawn by then?")


def _truth(episodes: list[Episode], make: Make) -> Iterator[Finding]:
    """Look for ways by which the truth could reach a learner, and for a truth that contradicts itself."""
    before = len(episodes)
    wrong = []
    for episode in episodes:
        wrong += list(episode.contradictions())
    for what, fix in dict.fromkeys(wrong):
        yield Finding("fail", what, fix)
    env = make(terminate_on_success=True)
    try:
        ending = [play(env, seed, _STEPS) for seed in range(before)]
    finally:
        env.close()
    for open_ended, ended in zip(episodes, ending, strict=True):
        until = len(ended.frames)
        place = differs(open_ended.cut(until), ended, ignore=("end",))
        if place:
            yield Finding(
                "fail",
                f"with terminate_on_success the {place} is another",
                "let it decide nothing but the episode's end",
            )
            break
    reached = sum(episode.success[-1] for episode in episodes)
    if not wrong:
        yield Finding("ok", "nothing of the truth ends an episode or changes what the learner sees")
    if not reached:
        yield Finding(
            "note", f"no goal was reached in {before} episodes of random actions", "what happens then was not seen"
        )


def _speed(env: gym.Env[Any, Any]) -> Iterator[Finding]:
    env.reset(seed=0)
    reward_frame = env.get_wrapper_attr("reward_frame")
    seconds = {"step": 0.0, "reward_frame": 0.0}
    for _ in range(_TIMED_STEPS):
        start = time.perf_counter()
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        middle = time.perf_counter()
        reward_frame()
        seconds["step"] += middle - start
        seconds["reward_frame"] += time.perf_counter() - middle
        if terminated or truncated:
            env.reset()
    a_second = {name: _TIMED_STEPS / value for name, value in seconds.items()}
    both = _TIMED_STEPS / sum(seconds.values())
    fix = "below 100 a second the environment, not the reward, limits training" if both < 100 else ""
    yield Finding(
        "warn" if fix else "note",
        f"{a_second['step']:,.0f} steps a second, {a_second['reward_frame']:,.0f} reward frames, {both:,.0f} of both",
        fix,
    )


def one_line(error: object) -> str:
    """Return what an error or warning says, on one line without colours."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace("\x1b[33m", "").replace("\x1b[0m", "")[:300]
