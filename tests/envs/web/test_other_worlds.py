"""The web's pictures share nothing with the worlds that their models judge, except words."""

import ast
import colorsys
from pathlib import Path

import numpy as np
import pytest

import envs.web
from envs.android.apps import APPS, DIVERSE_APPS
from envs.android.apps import HERE as ANDROID
from envs.android.device.palette import VIVID, make_theme
from envs.playhouse.catalog import CATEGORIES as PLAYHOUSE_CATEGORIES
from envs.playhouse.catalog import COLOURS as PLAYHOUSE_COLOURS
from envs.playhouse.geometry import join
from envs.playhouse.model import EYE_HEIGHT, FIELD_OF_VIEW
from envs.playhouse.textures import DECOR, FLOORS, WALLS
from envs.web import colours, pen, scenery, scenes, textures
from envs.web.pen import Pen
from envs.web.things import CATEGORIES, draw_shape

SOURCES = sorted(Path(envs.web.__file__).parent.glob("*.py"))


def test_nothing_but_the_means_of_building_solids_is_imported_from_them():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name and name.startswith("envs.") and not name.startswith("envs.web"):
                    assert name == "envs.playhouse.geometry", f"{path.name} imports {name}"


def test_no_lens_is_the_playhouses(monkeypatch):
    for low, high in scenery.FIELDS_OF_VIEW:
        assert high <= FIELD_OF_VIEW - 10 or low >= FIELD_OF_VIEW + 10
    for low, high in scenery.HEIGHTS:
        assert high <= EYE_HEIGHT - 0.1 or low >= EYE_HEIGHT + 0.1
    assert scenery.ROLLS[0] > 0.03, "the playhouse's horizon is level"
    used = []

    def draw(self, things, around, lens, size):
        used.append(lens)
        return np.zeros((*size, 3), np.uint8)

    monkeypatch.setattr(scenery.Scenery, "draw", draw)
    for seed in range(150):
        scenes.draw_scene(np.random.default_rng([1, seed]), 16, 16)
    for lens in used:
        assert any(low <= lens.field_of_view <= high for low, high in scenery.FIELDS_OF_VIEW)
        assert any(low <= lens.eye[2] <= high for low, high in scenery.HEIGHTS)
        assert scenery.ROLLS[0] <= abs(lens.roll) <= scenery.ROLLS[1]


def test_no_surface_is_the_playhouses():
    theirs = {**FLOORS, **WALLS, **DECOR}
    for surface in (*textures.GROUNDS, *textures.BACKDROPS):
        for name, image in theirs.items():
            same_size = image[: textures.SIZE, : textures.SIZE].astype(float)
            assert np.abs(same_size - surface.image).mean() > 2.0, f"{surface.word} is the playhouse's {name}"
    digests = {surface.image.tobytes() for surface in (*textures.GROUNDS, *textures.BACKDROPS)}
    assert len(digests) == len(textures.GROUNDS) + len(textures.BACKDROPS)


@pytest.mark.parametrize("name", sorted(set(CATEGORIES) & set(PLAYHOUSE_CATEGORIES)))
def test_no_shape_is_the_playhouses(name):
    theirs = _filled(join([mesh for _, mesh in PLAYHOUSE_CATEGORIES[name].meshes]))
    ours = [_filled(join([m for _, m in draw_shape(name, np.random.default_rng([2, k])).parts])) for k in range(8)]
    if name != "ball":  # a ball is a ball; its segments and stripes differ
        assert all((mine != theirs).mean() > 0.01 for mine in ours)
    assert all(any((a != b).any() for b in ours if b is not a) for a in ours), "no two are alike"


def _filled(mesh, cells: int = 14) -> np.ndarray:
    """Which cells of its bounding box a mesh's vertices and the middles of its faces touch."""
    points = np.concatenate([mesh.vertices, mesh.vertices[mesh.faces].mean(axis=1)])
    low, high = points.min(axis=0), points.max(axis=0)
    at = ((points - low) / np.maximum(high - low, 1e-9) * (cells - 1)).round().astype(int)
    grid = np.zeros((cells,) * 3, bool)
    grid[tuple(at.T)] = True
    return grid


@pytest.mark.parametrize("name", sorted(PLAYHOUSE_COLOURS))
def test_no_colour_is_the_playhouses(name):
    hue, saturation, value = colorsys.rgb_to_hsv(*PLAYHOUSE_COLOURS[name])
    for family, (hues, saturations, values) in colours.FAMILIES.items():
        within = (
            any(hues[0] <= hue + turn <= hues[1] for turn in (-1, 0, 1))
            and saturations[0] <= saturation <= saturations[1]
            and values[0] <= value <= values[1]
        )
        assert not within, f"{name} lies within the web's {family}"


def test_every_colour_is_a_family():
    for name in colours.NAMES:
        drawn = np.array([colours.colour(name, np.random.default_rng([3, k])) for k in range(60)])
        assert drawn.min() >= 0
        assert drawn.max() <= 1
        assert len(np.unique(drawn.round(3), axis=0)) > 50


def test_fonts_are_others():
    phones = {path.stem.lower() for path in (ANDROID / "assets").glob("*.ttf")}
    assert phones
    assert not any(Path(font).stem.lower() in phones for font in pen.FONTS)
    for font in pen.FONTS:
        assert pen._font(font, 9).getname()[0] != "Roboto"


def test_no_screen_has_the_phones_proportions_or_theme():
    themes = [make_theme(app.accent_rgb, dark) for app in (*APPS, *DIVERSE_APPS) for dark in (False, True)]
    grounds = {theme.background for theme in themes}
    inks = {theme.text for theme in themes}
    accents = {theme.accent for theme in themes} | set(VIVID)
    seen = set()
    for seed in range(150):
        drawn = Pen(np.random.default_rng([4, seed]))
        assert drawn.height > 1.61, "the phone's are 1.6 times as high as wide"
        assert drawn.paper not in grounds
        assert drawn.ink not in inks
        assert drawn.accent not in accents
        seen.add((drawn.paper, drawn.accent))
    assert len(seen) == 150
