"""Puts things, the eye and the hand where a kind of picture wants them.

Nothing is staged by acting towards a goal: a thing is put within reach and taken, a second one is put beside or behind
it, and what the simulation then says is what the captions say.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from envs.playhouse.agent import Command
from envs.playhouse.env import PlayhouseEnv
from envs.playhouse.episode import START_PITCH
from envs.playhouse.ground_truth import BESIDE, NEAR
from envs.playhouse.home import Home
from envs.playhouse.model import EYE_HEIGHT
from envs.playhouse.scene import Thing

#: Share of the pictures by what they are staged to show. "edge" is a thing about as far away as near ends, "touched"
#: one in the hand and not lifted, "carried" one in the hand with another in sight, "released" one just let go near
#: another, "apart" two that do not stand side by side though many look adjacent, "anywhere" a furnished room seen
#: from anywhere in it.
KINDS: Mapping[str, float] = {
    "near": 0.08,
    "edge": 0.16,
    "far": 0.05,
    "held": 0.12,
    "touched": 0.12,
    "carried": 0.12,
    "released": 0.06,
    "beside": 0.09,
    "apart": 0.08,
    "empty": 0.02,
    "anywhere": 0.10,
}
#: Distances of the eye from the thing, metres, for the kinds that are staged around one thing.
_DISTANCES: Mapping[str, tuple[float, float]] = {
    "near": (0.62, NEAR - 0.02),
    "edge": (NEAR - 0.25, NEAR + 0.45),
    "far": (NEAR + 0.1, 4.0),
    "held": (0.62, 0.9),
    "touched": (0.62, 0.95),
    "carried": (0.62, 0.9),
    "released": (0.62, 0.9),
    "beside": (0.62, NEAR - 0.02),
    "apart": (0.62, 1.6),
    "empty": (0.0, 0.0),
}
_TAKEN = ("held", "touched", "carried", "released")
#: Distance between two things that are not to touch, metres.
_CLEAR = 0.36


def stage(rng: np.random.Generator, env: PlayhouseEnv, home: Home, kind: str, alone: bool) -> bool:
    """Put things and the eye in place for one kind of picture, a key of `KINDS`.

    Args:
        rng: Decides everything.
        env: Whose scene is set; things that the picture is about come first in it.
        home: Where.
        kind: Kind of the picture.
        alone: Leave out what the picture is not about.

    Returns:
        Whether the picture shows what it is to show; if not, try again.
    """
    if kind == "anywhere":
        return _stage_anywhere(rng, env, home)
    spot = _spot(rng, env, home, kind)
    if spot is None:
        return False
    x, y, z = spot
    nav = home.nav
    angle = rng.uniform(0, 2 * np.pi)
    low, high = _DISTANCES[kind]
    distance = rng.uniform(low, high) if high else 0.0
    ex, ey = x - distance * np.cos(angle), y - distance * np.sin(angle)
    if not nav.free[nav.cell(ex, ey)] or np.hypot(*(nav.points(nav.free) - [ex, ey]).T).min() > 0.12:
        return False
    things = [_thing(rng, env, float(x), float(y), z)]
    if kind in ("beside", "apart", "carried", "released"):
        other = _other(rng, env, kind, things[0], angle)
        if other is None:
            return False
        things.append(other)
    staged = range(len(things))
    if kind == "empty":
        things, staged = [], range(0)
    elif rng.random() < 0.5:
        # Something else in the room, behind what is staged and to its side.
        points = nav.points(nav.free)
        for _ in range(2):
            px, py = points[int(rng.integers(len(points)))]
            if min(np.hypot(px - x, py - y), np.hypot(px - ex, py - ey)) > 1.4:
                things.append(_thing(rng, env, float(px), float(py)))
    if alone:
        things = [things[slot] for slot in staged]
    yaw, pitch = _gaze(rng, kind, angle, distance, z)
    env.scene.load(home, things[: env.scene.compiled.object_slots])
    env.agent.reset()
    env.scene.place_agent(float(ex), float(ey), float(yaw), pitch)
    if kind in _TAKEN and not _take(rng, env, kind):
        return False
    return all(env.truth.is_visible(slot) for slot in staged)


def _spot(rng: np.random.Generator, env: PlayhouseEnv, home: Home, kind: str) -> tuple[float, float, float] | None:
    """Return where the first thing stands: on the floor, or, of the kinds that often do, on furniture."""
    surfaces = [surface for placed in home.furniture for surface in placed.surfaces()]
    if kind in ("edge", "held", "touched") and surfaces and rng.random() < 0.35:
        surface = surfaces[int(rng.integers(len(surfaces)))]
        x = surface.x + rng.uniform(-0.8, 0.8) * surface.half_x
        y = surface.y + rng.uniform(-0.8, 0.8) * surface.half_y
        return float(x), float(y), surface.z
    points = home.nav.points(home.nav.free)
    x, y = points[int(rng.integers(len(points)))]
    return float(x), float(y), 0.0


def _other(rng: np.random.Generator, env: PlayhouseEnv, kind: str, first: Thing, angle: float) -> Thing | None:
    """Return the second thing of a picture of two; None where it would be of the first one's kind."""
    turn, gap = rng.uniform(0, 2 * np.pi), rng.uniform(_CLEAR, BESIDE - 0.01)
    if kind == "apart":
        # Two in three behind the first thing, where they look adjacent.
        turn = angle + rng.normal(0, 0.25) if rng.random() < 0.67 else turn
        gap = rng.uniform(BESIDE + 0.02, 1.7)
    elif kind in ("carried", "released"):
        # Away from the eye, so that the hand does not meet it; near the first thing in most pictures.
        turn = angle + rng.uniform(-1.3, 1.3)
        gap = rng.uniform(_CLEAR, 0.9) if rng.random() < 0.67 else rng.uniform(0.9, 2.2)
    other = _thing(rng, env, float(first.x + gap * np.cos(turn)), float(first.y + gap * np.sin(turn)))
    return None if other.category == first.category else other


def _gaze(rng: np.random.Generator, kind: str, angle: float, distance: float, z: float) -> tuple[float, float]:
    """Return the heading and gaze in radians."""
    if kind in _TAKEN:
        return angle, -float(np.arctan2(EYE_HEIGHT - 0.15 - z, distance))
    # Half of the pictures have it in the middle, the others anywhere in the field of view.
    yaw = angle + rng.uniform(*((-0.28, 0.28) if rng.random() < 0.5 else (-0.7, 0.7)))
    if kind in ("empty", "far"):
        return yaw, float(rng.uniform(-0.5, 0.1))
    if kind in ("edge", "apart") and rng.random() < 0.5:
        # A walker's gaze moves in steps from where episodes start.
        return yaw, START_PITCH
    pitch = -np.arctan2(EYE_HEIGHT - 0.2 - z, max(distance, 0.3)) + rng.uniform(-0.3, 0.3)
    return yaw, float(np.clip(pitch, -1.0, 0.4))


def _take(rng: np.random.Generator, env: PlayhouseEnv, kind: str) -> bool:
    """Take the first thing and do with it what the kind of picture shows."""
    agent = env.agent
    agent.act(Command(grip=1.0))
    if agent.held != 0:
        return False

    def move(look: float) -> None:
        walk = float(rng.choice([-1.0, 1.0])) if rng.random() < 0.2 else 0.0
        agent.act(Command(look=look, turn=float(rng.uniform(-1, 1)), forward=walk))

    if kind == "touched":
        for _ in range(int(rng.integers(3))):
            move(look=float(rng.choice([0.0, -0.5, 0.4])))
        return agent.held == 0 and not env.truth.is_lifted(0)
    for _ in range(int(rng.integers(1 if kind == "held" else 0, 4))):
        move(look=1.0)
    if kind == "held":
        return env.truth.is_lifted(0)
    if kind == "carried" and rng.random() < 0.3:
        move(look=-1.0)
    if kind == "released":
        for _ in range(int(rng.integers(3))):
            move(look=-1.0)
        agent.act(Command(grip=-1.0))
        # In the air, fallen, or at rest.
        for _ in range(int(rng.integers(3))):
            agent.act(Command())
    return agent.held == (None if kind == "released" else 0)


def _stage_anywhere(rng: np.random.Generator, env: PlayhouseEnv, home: Home) -> bool:
    """Spread things over a home, on furniture too, and put the eye anywhere between them, looking anywhere."""
    spots = home.nav.points(home.nav.free)
    surfaces = [surface for placed in home.furniture for surface in placed.surfaces()]
    things: list[Thing] = []
    for _ in range(int(rng.integers(2, env.scene.compiled.object_slots + 1))):
        if surfaces and rng.random() < env.preset.on_furniture:
            surface = surfaces[int(rng.integers(len(surfaces)))]
            x = surface.x + rng.uniform(-0.6, 0.6) * surface.half_x
            y = surface.y + rng.uniform(-0.6, 0.6) * surface.half_y
            thing = _thing(rng, env, float(x), float(y), surface.z)
        else:
            x, y = spots[int(rng.integers(len(spots)))]
            thing = _thing(rng, env, float(x), float(y))
        if all(np.hypot(thing.x - other.x, thing.y - other.y) > 0.4 for other in things):
            things.append(thing)
    x, y = spots[int(rng.integers(len(spots)))]
    if any(np.hypot(thing.x - x, thing.y - y) < 0.45 for thing in things):
        return False
    pitch = START_PITCH if rng.random() < 0.5 else float(rng.uniform(-0.8, 0.2))
    env.scene.load(home, things)
    env.agent.reset()
    env.scene.place_agent(float(x), float(y), float(rng.uniform(0, 2 * np.pi)), pitch)
    return True


def _thing(rng: np.random.Generator, env: PlayhouseEnv, x: float, y: float, z: float = 0.0) -> Thing:
    names, colours = env.preset.category_names(), env.preset.colour_names
    name, colour = names[int(rng.integers(len(names)))], colours[int(rng.integers(len(colours)))]
    return Thing(name, colour, x, y, z, float(rng.uniform(0, 2 * np.pi)))
