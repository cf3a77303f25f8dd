"""Pictures for people: dashboards, contact sheets and animated GIFs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import mujoco
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envs.playhouse.catalog import COLOURS
from envs.playhouse.scene import Thing

if TYPE_CHECKING:
    from envs.playhouse.env import PlayhouseEnv

_INK = (30, 32, 36)
_PAPER = (244, 243, 238)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def dashboard(env: PlayhouseEnv) -> np.ndarray:
    """The agent's view, the home from above, and the goal in words: uint8 (480, 800, 3)."""
    image = Image.new("RGB", (800, 480), _PAPER)
    image.paste(Image.fromarray(env.view((400, 400))), (0, 80))
    image.paste(Image.fromarray(env.map(400)), (400, 80))
    draw = ImageDraw.Draw(image)
    draw.text((14, 10), env.instruction, fill=_INK, font=_font(26))
    held = env.agent.held
    holding = "nothing" if held is None else f"a {env.scene.things[held].colour} {env.scene.things[held].category}"
    state = "reached" if env.success else "not reached yet"
    draw.text((14, 48), f"step {env.steps}   holding {holding}   goal {state}", fill=_INK, font=_font(17))
    return np.asarray(image)


def labelled_grid(tiles: Sequence[np.ndarray], labels: Sequence[str], columns: int, side: int) -> np.ndarray:
    """Tiles of any size, enlarged without smoothing to `side` pixels, each above its label: uint8 (H, W, 3)."""
    rows = -(-len(tiles) // columns)
    strip = 20
    sheet = Image.new("RGB", (columns * side, rows * (side + strip)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        x, y = i % columns * side, i // columns * (side + strip)
        sheet.paste(Image.fromarray(tile).resize((side, side), Image.Resampling.NEAREST), (x, y))
        draw.text((x + 4, y + side + 3), label, fill=_INK, font=_font(13))
    return np.asarray(sheet)


def things_sheet(env: PlayhouseEnv, size: int, side: int = 160) -> np.ndarray:
    """Every category of the preset in turn through the colours, as the agent sees it from 0.9 m: uint8 (H, W, 3).

    Args:
        env: any environment; its episode is replaced by the pictures and must be reset afterwards.
        size: pixels at which each view is drawn.
        side: pixels at which it is shown.
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
    """Homes from above over the agent's first view in them: uint8 (H, W, 3)."""
    tops, views, labels = [], [], []
    for seed in range(count):
        env.reset(seed=seed)
        tops.append(env.map(side))
        views.append(env.view((side, side)))
        labels.append(env.instruction)
    return labelled_grid([*tops, *views], [*[f"seed {i}" for i in range(count)], *labels], count, side)


def colours_sheet(env: PlayhouseEnv, category: str, size: int, side: int = 120) -> np.ndarray:
    """One category in every colour there is: uint8 (H, W, 3)."""
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


def save_png(image: np.ndarray, path: str | Path) -> None:
    """Write an image, making its folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def save_gif(frames: Sequence[np.ndarray], path: str | Path, frames_per_second: int = 8) -> None:
    """Write an animated GIF that loops, making its folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    images = [Image.fromarray(frame).quantize(128) for frame in frames]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=round(1000 / frames_per_second), loop=0, optimize=True
    )
