"""Contact sheets of what the playhouse holds: things, homes, colours."""

import mujoco
import numpy as np

from envs.playhouse.catalog import COLOURS
from envs.playhouse.env import PlayhouseEnv
from envs.playhouse.pictures import labelled_grid
from envs.playhouse.scene import Thing


def things_sheet(env: PlayhouseEnv, size: int, side: int = 160) -> np.ndarray:
    """Return every category of the preset in the colours by turns, as the agent sees it from 0.9 m: uint8 (H, W, 3).

    Args:
        env: Any environment; its episode is replaced by the pictures and must be reset afterwards.
        size: Pixels at which each view is drawn.
        side: Pixels at which it is shown.
    """
    env.reset(seed=0)
    assert env.episode is not None
    nav = env.episode.home.nav
    # The roomiest free cell of the home, seen from its own side.
    points = nav.points(nav.free)
    crowd = [float(((points - point) ** 2).sum(axis=1).__lt__(1.2).sum()) for point in points[::7]]
    x, y = points[::7][int(np.argmax(crowd))]
    names = env.preset.category_names() if not env.pack_names else (*env.preset.category_names(), *env.pack_names)
    tiles, labels = [], []
    for i, name in enumerate(dict.fromkeys(names)):
        colour = env.preset.colour_names[i % len(env.preset.colour_names)]
        env.scene.load(env.episode.home, [Thing(name, colour, float(x), float(y), 0.0, float(np.deg2rad(215)))])
        env.agent.reset()
        env.scene.place_agent(float(x) - 0.9, float(y), 0.0, float(np.deg2rad(-38)))
        mujoco.mj_forward(env.scene.model, env.scene.data)
        tiles.append(env.view((size, size)))
        labels.append(f"{colour} {name}")
    return labelled_grid(tiles, labels, 8, side)


def homes_sheet(env: PlayhouseEnv, count: int = 8, side: int = 300) -> np.ndarray:
    """Return homes from above over the agent's first view in them: uint8 (H, W, 3)."""
    tops, views, labels = [], [], []
    for seed in range(count):
        env.reset(seed=seed)
        tops.append(env.map(side))
        views.append(env.view((side, side)))
        labels.append(env.instruction)
    return labelled_grid([*tops, *views], [*[f"seed {i}" for i in range(count)], *labels], count, side)


def colours_sheet(env: PlayhouseEnv, category: str, size: int, side: int = 120) -> np.ndarray:
    """Return one category in every colour there is: uint8 (H, W, 3)."""
    env.reset(seed=0)
    assert env.episode is not None
    x, y = env.episode.home.rooms[0].centre
    tiles = []
    for colour in COLOURS:
        env.scene.load(env.episode.home, [Thing(category, colour, x, y, 0.0, 3.7)])
        env.agent.reset()
        env.scene.place_agent(x - 0.9, y, 0.0, float(np.deg2rad(-38)))
        tiles.append(env.view((size, size)))
    return labelled_grid(tiles, list(COLOURS), 6, side)
