"""Environments that somebody steps by hand, a few at a time."""

import io
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
from PIL import Image

from vlm_rewards.errors import ConfigError, VLMRewardsError
from vlm_rewards.goals import TaskSet
from vlm_rewards.strict_config import near_matches

logger = logging.getLogger("vlm_rewards.playground")
T = TypeVar("T")

# Episodes that are open at the same time; the one that was stepped longest ago is closed for another.
_MOST_OPEN = 4
# Actions that a page can show as buttons.
_MOST_ACTIONS = 100


@dataclass
class _Episode:
    env: gym.Env[Any, Any]
    name: str
    actions: tuple[str, ...]
    steps: int = 0
    over: bool = False
    info: dict[str, Any] = field(default_factory=dict)


class Desk:
    """Opens and steps environments by their Gymnasium ids, each call on the one thread where GL is at home.

    An environment is one that `vlm_rewards.environment.RewardableEnv` describes, with a `task_set` and discrete
    actions. `action_names`, where it has them, become the buttons' words.
    """

    def __init__(self, env_ids: Sequence[str]) -> None:
        """Name the environments; none is built yet.

        Args:
            env_ids: Gymnasium ids, such as `envs.playhouse:playhouse/Find-v0`, whose part before the colon is imported.
        """
        self._env_ids = tuple(env_ids)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="playground-environments")
        self._episodes: OrderedDict[str, _Episode] = OrderedDict()
        # What each can be asked for, or why it cannot be had.
        self._listed: dict[str, TaskSet | str] = {}

    def listed(self) -> tuple[list[dict[str, Any]], str]:
        """Return the environments that can be had, and one line on those that cannot.

        Each has `id`, `title` and `goals`, a list of `id` and `subject`. They are built once, to be asked.
        """
        return self._on_thread(self._list)

    def open(self, env_id: str, goal_id: str | None, previous: str | None = None) -> dict[str, Any]:
        """Start an episode.

        Args:
            env_id: One of `listed`.
            goal_id: The goal; None draws one.
            previous: The session that this one takes the place of, if any.

        Returns:
            `session`, `actions`, `task_set`, `goals`, `captions`, and the state as `step` returns it.

        Raises:
            ConfigError: Unknown environment or goal.
            VLMRewardsError: The environment failed.
        """
        return self._on_thread(lambda: self._open(env_id, goal_id, previous))

    def step(self, session: str, action: int | None) -> dict[str, Any]:
        """Take one step.

        Args:
            session: As `open` returned it.
            action: Number of the action; None takes a random one.

        Returns:
            `frame` and `view`, PNG files of what the reward sees and of what a person sees; `goal`, `steps`,
            `action`, `achieved` (ground truth: the goal holds now) and `over`.

        Raises:
            ConfigError: Unknown session or action, or the episode is over.
            VLMRewardsError: The environment failed.
        """
        return self._on_thread(lambda: self._step(session, action))

    def close(self) -> None:
        """Close all environments."""
        self._on_thread(self._close_all)
        self._thread.shutdown()

    def _on_thread(self, work: Callable[[], T]) -> T:
        return self._thread.submit(work).result()

    def _list(self) -> tuple[list[dict[str, Any]], str]:
        for env_id in self._env_ids:
            if env_id not in self._listed:
                try:
                    env = _made(env_id)
                    self._listed[env_id] = env.get_wrapper_attr("task_set")
                    env.close()
                except Exception as error:  # whatever somebody's environment raises
                    logger.warning("environment %s cannot be used: %s", env_id, _one_line(error))
                    self._listed[env_id] = _one_line(error)
        good = {env_id: found for env_id, found in self._listed.items() if isinstance(found, TaskSet)}
        why = [
            f"environment {env_id} cannot be had here: {found}"
            for env_id, found in self._listed.items()
            if env_id not in good
        ]
        listed = [
            {"id": env_id, "title": env_id.rpartition(":")[2], "goals": _goals(found)} for env_id, found in good.items()
        ]
        return listed, "; ".join(why)

    def _open(self, env_id: str, goal_id: str | None, previous: str | None) -> dict[str, Any]:
        if env_id not in self._env_ids:
            raise ConfigError(f"no environment {env_id[:100]!r} is here; {near_matches(env_id[:100], self._env_ids)}")
        if previous is not None and previous in self._episodes:
            self._close(previous)
        while len(self._episodes) >= _MOST_OPEN:
            self._close(next(iter(self._episodes)))
        env = _made(env_id)
        try:
            task_set: TaskSet = env.get_wrapper_attr("task_set")
            options = {"goal_id": task_set.goal(goal_id).id} if goal_id else None
            _, info = env.reset(seed=secrets.randbelow(2**31), options=options)
            episode = _Episode(env, env_id, _action_names(env), info=dict(info))
            state = _state(episode, "start")
        except BaseException:
            env.close()
            raise
        session = secrets.token_hex(8)
        self._episodes[session] = episode
        return {
            "session": session,
            "actions": episode.actions,
            "task_set": task_set.name,
            "goals": _goals(task_set),
            "captions": task_set.unachieved_captions,
            **state,
        }

    def _step(self, session: str, action: int | None) -> dict[str, Any]:
        episode = self._episodes.get(session)
        if episode is None:
            raise ConfigError("this episode was closed, as others were opened after it; start another")
        if episode.over:
            raise ConfigError("the episode is over; start another")
        self._episodes.move_to_end(session)
        index = int(episode.env.action_space.sample()) if action is None else action
        if not 0 <= index < len(episode.actions):
            raise ConfigError(f"there is no action {index}; use 0 to {len(episode.actions) - 1}")
        try:
            _, _, terminated, truncated, info = episode.env.step(index)
        except VLMRewardsError:
            self._close(session)
            raise
        except Exception as error:
            self._close(session)
            raise VLMRewardsError(f"the environment failed ({_one_line(error)}); start another episode") from error
        episode.steps += 1
        episode.over, episode.info = terminated or truncated, dict(info)
        return _state(episode, episode.actions[index])

    def _close_all(self) -> None:
        for session in list(self._episodes):
            self._close(session)

    def _close(self, session: str) -> None:
        self._episodes.pop(session).env.close()


def _made(env_id: str) -> gym.Env[Any, Any]:
    # The truth ends no episode: who looks for what a reward pays wants to see what comes after, too.
    return gym.make(env_id, disable_env_checker=True, terminate_on_success=False, render_mode="rgb_array")


def _action_names(env: gym.Env[Any, Any]) -> tuple[str, ...]:
    space = env.action_space
    if not isinstance(space, gym.spaces.Discrete) or int(space.n) > _MOST_ACTIONS or int(space.start):
        raise ConfigError(f"its actions are {space}; buttons need Discrete(n) with n of at most {_MOST_ACTIONS}")
    names = env.get_wrapper_attr("action_names") if env.has_wrapper_attr("action_names") else ()
    return tuple(names) if len(names) == space.n else tuple(f"action {index}" for index in range(int(space.n)))


def _state(episode: _Episode, action: str) -> dict[str, Any]:
    env = episode.env
    goal = env.get_wrapper_attr("task_set").goal(episode.info["goal_id"])
    seen = env.get_wrapper_attr("reward_frame")()
    shown: Any = env.render()
    return {
        "frame": _png(seen),
        "view": _png(shown if isinstance(shown, np.ndarray) else seen),
        "goal": {"id": goal.id, "subject": goal.subject, "instruction": goal.instruction},
        "steps": episode.steps,
        "action": action,
        "achieved": bool(episode.info.get("goal_achieved", False)),
        "over": episode.over,
    }


def _goals(task_set: TaskSet) -> list[dict[str, str]]:
    return [{"id": goal.id, "subject": goal.subject} for goal in task_set.all_goals]


def _png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
