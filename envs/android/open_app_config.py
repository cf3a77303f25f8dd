"""The settings of an Open App environment, checked before anything starts."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast

from envs.android.apps import APP_SETS, AppCatalogue
from envs.android.emulator_options import EmulatorOptions
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import Goal, TaskSet
from vlm_rewards.goals.task_set import Split
from vlm_rewards.strict_config import near_matches

_HERE = Path(__file__).parent
TASK_PATH = _HERE / "tasks" / "open_app.textproto"

BACKENDS = ("embedded", "emulator")
LAYOUTS = ("fixed", "shuffled")
SPLITS = ("train", "held_out")
RENDER_MODES = ("rgb_array",)

CONTENT_SEEDS = {"train": (0, 1 << 30), "eval": (1 << 30, 1 << 31)}
"""Half-open ranges of the seeds that decide what the screens show. They never overlap."""

# Pixels on a side. Below, icons are gone; above, a frame takes longer to draw than an emulator's screenshot.
_MIN_SIDE, _MAX_SIDE = 16, 2048


@dataclasses.dataclass(frozen=True)
class OpenAppConfig:
    """Checked arguments of `OpenAppEnv`, whose docstring explains them.

    Attributes:
        apps: What the embedded phone has installed.
        goals: The goals that episodes draw from.
        packages: Package of each goal of the task set, by goal id.
    """

    task_set: TaskSet
    apps: AppCatalogue
    goals: tuple[Goal, ...]
    packages: Mapping[str, str]
    backend: str
    layout: str
    observation_size: tuple[int, int]
    reward_size: tuple[int, int]
    max_episode_steps: int
    terminate_on_success: bool
    content: str
    emulator: EmulatorOptions | None

    @classmethod
    def build(
        cls,
        *,
        task_set: str | TaskSet,
        apps: str | None,
        split: str,
        backend: str,
        layout: str,
        observation_size: tuple[int, int],
        reward_size: tuple[int, int],
        max_episode_steps: int,
        terminate_on_success: bool,
        goal_id: str | None,
        content: str,
        emulator: EmulatorOptions | Mapping[str, Any] | None,
        render_mode: str | None,
    ) -> Self:
        """Check the arguments.

        Raises:
            ConfigError: One of them cannot be used; the message names it, and the nearest name that could.
        """
        _check_choice("backend", backend, BACKENDS)
        _check_choice("layout", layout, LAYOUTS)
        _check_choice("split", split, SPLITS)
        if apps is not None:
            _check_choice("apps", apps, tuple(APP_SETS))
        _check_choice("content", content, tuple(CONTENT_SEEDS))
        if render_mode is not None:
            _check_choice("render_mode", render_mode, RENDER_MODES)
        if not _is_int(max_episode_steps) or max_episode_steps < 1:
            raise ConfigError(f"max_episode_steps must be a whole number of at least 1 (got {max_episode_steps!r})")
        options = _emulator_options(backend, layout, emulator)
        tasks = TaskSet.named_or_from_yaml(task_set) if isinstance(task_set, str) else task_set
        goals = tasks.split(cast(Split, split)) if goal_id is None else (tasks.goal(goal_id),)
        if not goals:
            raise ConfigError(f"task set {tasks.name!r} has no goals in split {split!r}; use another split")
        installed = APP_SETS[apps] if apps is not None else _smallest_app_set(tasks)
        return cls(
            task_set=tasks,
            apps=installed,
            goals=goals,
            packages=_packages(tasks, installed, options),
            backend=backend,
            layout=layout,
            observation_size=_size("observation_size", observation_size),
            reward_size=_size("reward_size", reward_size),
            max_episode_steps=int(max_episode_steps),
            terminate_on_success=bool(terminate_on_success),
            content=content,
            emulator=options,
        )


def _smallest_app_set(task_set: TaskSet) -> AppCatalogue:
    """Return the smallest app set that has every goal's app; the largest one where none has."""
    subjects = [goal.subject for goal in task_set.all_goals]
    return next((apps for apps in APP_SETS.values() if apps.has(subjects)), list(APP_SETS.values())[-1])


def _packages(task_set: TaskSet, apps: AppCatalogue, options: EmulatorOptions | None) -> dict[str, str]:
    named = options.packages if options is not None else {}
    for goal_id in named:
        task_set.goal(goal_id)
    packages = {}
    for goal in task_set.all_goals:
        app = apps.by_name.get(goal.subject)
        if goal.id not in named and app is None:
            fix = (
                "name its package in emulator.packages"
                if options is not None
                else "pass another `apps` or add it to apps.yaml"
            )
            raise ConfigError(
                f"goal {goal.id!r} of task set {task_set.name!r}: no app {goal.subject!r} is installed, "
                f"{near_matches(goal.subject, apps.by_name)} If not, {fix}"
            )
        packages[goal.id] = named[goal.id] if app is None else named.get(goal.id, app.package)
    return packages


def _emulator_options(
    backend: str, layout: str, emulator: EmulatorOptions | Mapping[str, Any] | None
) -> EmulatorOptions | None:
    if backend == "embedded":
        if emulator is not None:
            raise ConfigError("emulator options are given, but backend is 'embedded'; pass backend='emulator'")
        return None
    if layout != "fixed":
        raise ConfigError(f"layout {layout!r} needs backend 'embedded': a real device keeps its own layout")
    if emulator is None:
        raise ConfigError("backend 'emulator' needs emulator={'adb_path': ..., ...}; see envs.android.emulator_options")
    options = emulator if isinstance(emulator, EmulatorOptions) else EmulatorOptions.model_validate(dict(emulator))
    options.check()
    return options


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"unknown {name} {value!r}; {near_matches(str(value), known)}")


def _is_int(value: object) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _size(name: str, size: object) -> tuple[int, int]:
    sides = tuple(size) if isinstance(size, (tuple, list)) else ()
    if len(sides) != 2 or not all(_is_int(side) and _MIN_SIDE <= side <= _MAX_SIDE for side in sides):
        raise ConfigError(
            f"{name} must be (height, width) in pixels, each from {_MIN_SIDE} to {_MAX_SIDE} (got {size!r}); "
            "the phone's own aspect is 1.6, as in (96, 60)"
        )
    return int(sides[0]), int(sides[1])
