"""Scripted episodes with a known outcome: does AndroidEnv's ground truth say what has happened?

Run it as `python -m envs.android.selftest --episodes 300 [--task-set open_diverse_apps]`.
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterator

import numpy as np

from envs.android.actions import ACTION_INDEX, COLUMNS, MACRO_ACTIONS, ROWS
from envs.android.apps import CATALOGUE, AppCatalogue
from envs.android.device.geometry import HEIGHT, WIDTH
from envs.android.device.layout import LauncherLayout
from envs.android.env import OpenAppEnv

_TAPS = range(ROWS * COLUMNS)


@dataclasses.dataclass(frozen=True)
class Script:
    """Actions with a known outcome.

    Attributes:
        kind: What the episode is about.
        actions: Numbers of the actions.
        success_at: Index of the action that opens the goal's app for the first time; None if none does.
    """

    kind: str
    actions: tuple[int, ...]
    success_at: int | None


class ScriptWriter:
    """Writes scripts for a launcher layout, by its geometry alone."""

    def __init__(self, layout: LauncherLayout, apps: AppCatalogue = CATALOGUE):
        """Find the tap cells whose centre hits an icon.

        Args:
            layout: Layout of the launcher.
            apps: What is installed.
        """
        self._apps = apps.apps
        self._on_page: dict[int, list[tuple[int, int]]] = {}
        self._in_drawer: dict[int, list[tuple[int, int]]] = {}
        self._empty_cells: list[int] = []
        for tap in _TAPS:
            x, y = (tap % COLUMNS + 0.5) / COLUMNS * WIDTH, (tap // COLUMNS + 0.5) / ROWS * HEIGHT
            for page in range(len(layout.pages)):
                app = layout.home_app_at(page, x, y)
                if app is not None:
                    self._on_page.setdefault(app, []).append((page, tap))
                elif page == 0:
                    self._empty_cells.append(tap)
            for screen in range(layout.drawer_screens):
                app = layout.drawer_app_at(screen, x, y)
                if app is not None:
                    self._in_drawer.setdefault(app, []).append((screen, tap))

    def write(self, kind: str, goal: str, rng: np.random.Generator) -> Script:
        """Write one script.

        Args:
            kind: One of `KINDS`.
            goal: Package of the goal's app.
            rng: Draws the other apps and which of the cells on an icon is tapped.
        """
        index = next(i for i, app in enumerate(self._apps) if app.package == goal)
        other, third = rng.choice([i for i in range(len(self._apps)) if i != index], size=2, replace=False)
        home, back = ACTION_INDEX["home"], ACTION_INDEX["back"]
        parts: list[list[int]]
        goal_part: int | None
        match kind:
            case "direct":
                parts, goal_part = [self._open(index, rng)], 0
            case "drawer":
                parts, goal_part = [self._open_from_drawer(index, rng)], 0
            case "detour":
                parts, goal_part = [self._open(other, rng), [home, home], self._open(index, rng)], 2
            case "twice":
                # The second opening is a hot start: Android logs nothing, and the reward must not come again.
                parts, goal_part = [self._open(index, rng), [home, home], self._open(index, rng)], 0
            case "left":
                parts, goal_part = [self._open(index, rng), [back, home], self._open(other, rng)], 0
            case "wrong_app":
                parts, goal_part = [self._open(other, rng), [home, home], self._open(third, rng)], None
            case "wrong_app_twice":
                parts, goal_part = [self._open(other, rng), [back, home], self._open(other, rng)], None
            case "wander":
                swipes = [ACTION_INDEX[f"swipe_{way}"] for way in ("left", "right", "up", "down")]
                parts, goal_part = [list(rng.choice(swipes, size=8)), [home, home]], None
            case "miss":
                parts, goal_part = [list(rng.choice(self._empty_cells, size=5))], None
            case _:
                raise ValueError(f"unknown kind of script {kind!r}; known: {', '.join(KINDS)}")
        success_at = None if goal_part is None else sum(len(part) for part in parts[: goal_part + 1]) - 1
        return Script(kind, tuple(int(action) for part in parts for action in part), success_at)

    def shortest(self, goal: str) -> tuple[int, ...]:
        """Return the shortest way to the goal's app: actions from the home screen, by a page or by the drawer.

        Args:
            goal: Package of the app.
        """
        index = next(i for i, app in enumerate(self._apps) if app.package == goal)
        page, on_page = min(self._on_page[index])
        screen, in_drawer = min(self._in_drawer[index])
        by_page = (*[ACTION_INDEX["swipe_left"]] * page, on_page)
        by_drawer = (*[ACTION_INDEX["swipe_up"]] * (1 + screen), in_drawer)
        return min(by_page, by_drawer, key=len)

    def _open(self, app: int, rng: np.random.Generator) -> list[int]:
        page, tap = _pick(self._on_page[app], rng)
        return [ACTION_INDEX["swipe_left"]] * page + [tap]

    def _open_from_drawer(self, app: int, rng: np.random.Generator) -> list[int]:
        screen, tap = _pick(self._in_drawer[app], rng)
        return [ACTION_INDEX["swipe_up"]] * (1 + screen) + [tap]


KINDS = ("direct", "drawer", "detour", "twice", "left", "wrong_app", "wrong_app_twice", "wander", "miss")


def run_scripts(env: OpenAppEnv, episodes: int, seed: int = 0) -> Iterator[tuple[Script, str | None]]:
    """Play scripted episodes of all kinds in turn.

    The ground truth of every step is compared with the script's outcome, and with the phone's own list of started apps,
    which is not what AndroidEnv reads.

    Args:
        env: Environment with `terminate_on_success=False` and at least 16 steps an episode.
        episodes: How many.
        seed: Seed of goals, contents and scripts.

    Yields:
        The script, and None or what was wrong with the ground truth.
    """
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    for episode in range(episodes):
        goal = env.phone.apps.by_name[env.goal.subject].package
        script = ScriptWriter(env.phone.layout, env.phone.apps).write(KINDS[episode % len(KINDS)], goal, rng)
        yield script, _play(env, script, goal)
        env.reset()


def _play(env: OpenAppEnv, script: Script, package: str) -> str | None:
    for index, action in enumerate(script.actions):
        _, reward, _, _, info = env.step(action)
        where = f"goal {env.goal_id}, step {index} ({MACRO_ACTIONS[action].name}) of {script}"
        expected = script.success_at is not None and index >= script.success_at
        if info["is_success"] != expected or info["is_success"] != (package in env.phone.running):
            return f"is_success is {info['is_success']} at {where}"
        if reward != float(index == script.success_at):
            return f"reward is {reward} at {where}"
        if info["goal_achieved"] != (env.phone.foreground == package):
            return f"goal_achieved is {info['goal_achieved']} at {where}"
    return None


def _pick(places: list[tuple[int, int]], rng: np.random.Generator) -> tuple[int, int]:
    return places[int(rng.integers(len(places)))]


def main() -> None:
    """Play the episodes, print how many were right, and exit with 1 if one was not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=300, help="scripted episodes for each layout")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--task-set", default="open_common_apps", help="a packaged task set or a .yaml file")
    parser.add_argument("--split", choices=("train", "held_out"), default="train")
    args = parser.parse_args()
    failed = False
    for layout in ("fixed", "shuffled"):
        env = OpenAppEnv(args.task_set, args.split, layout=layout, terminate_on_success=False)
        results = list(run_scripts(env, args.episodes, args.seed))
        env.close()
        wrong = [problem for _, problem in results if problem is not None]
        successes = sum(script.success_at is not None for script, _ in results)
        print(
            f"layout {layout}: ground truth right in {len(results) - len(wrong)} of {len(results)} scripted episodes "
            f"({successes} with success, {len(results) - successes} without)"
        )
        for problem in wrong[:5]:
            print(f"  {problem}")
        failed |= bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
