import numpy as np
import pytest

from envs.playhouse.catalog import CATEGORIES, COLOURS, MAIN, find_category, find_colour
from envs.playhouse.catalog.furniture import FURNITURE, ROOM_KINDS
from envs.playhouse.errors import UnknownNameError
from envs.playhouse.geometry import ball, box, join, lathe, prism, tube


def volume(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def test_there_are_many_categories_and_colours():
    assert len(CATEGORIES) >= 30
    assert len(COLOURS) >= 10
    assert {"mug", "boat", "plane", "helicopter", "teddy", "drum", "table lamp", "racket", "roll"} <= set(CATEGORIES)


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_category_stands_on_the_floor_and_fits_the_hand(name):
    category = CATEGORIES[name]
    low, high = join([mesh for _, mesh in category.meshes]).bounds
    assert low[2] == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose((low + high)[:2], 0.0, atol=1e-9)
    np.testing.assert_allclose((high - low) / 2, category.half_extents)
    assert 0.2 <= (high - low).max() <= 0.5
    assert category.meshes[0][0] == MAIN


def test_colours_are_far_apart():
    values = np.array(list(COLOURS.values()))
    distance = np.linalg.norm(values[:, None] - values[None], axis=2) + 9 * np.eye(len(values))
    assert distance.min() > 0.25


@pytest.mark.parametrize(
    ("mesh", "expected"),
    [
        (box(1, 2, 3), 6.0),
        (prism([(0, 0), (2, 0), (2, 1), (1, 0.2), (0, 1)], 1.0), 1.2),
        (ball(1.0, segments=64), 4 / 3 * np.pi),
        (lathe([(0, 0), (1, 0), (1, 2), (0, 2)], 96), 2 * np.pi),
        (tube([(0, 0, 0), (0, 0, 1), (0, 0, 2)], 1.0, 96), 2 * np.pi),
    ],
)
def test_solids_face_outwards_and_have_their_volume(mesh, expected):
    assert volume(mesh) == pytest.approx(expected, rel=0.01)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0)
    triangles = mesh.vertices[mesh.faces]
    facing = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    assert (np.einsum("ij,ij->i", facing, mesh.normals[mesh.faces[:, 0]]) > 0).all()


def test_moving_turning_and_scaling_keep_the_shape():
    mesh = box(1, 2, 3).moved(1, 2, 3).turned("z", 90).turned("x", 30).scaled(2.0)
    assert volume(mesh) == pytest.approx(48.0)


def test_rooms_are_furnished_with_what_exists():
    for kind, names in ROOM_KINDS.items():
        assert all(kind in FURNITURE[name].rooms or name in FURNITURE for name in names)
    assert sum(bool(piece.surfaces) for piece in FURNITURE.values()) >= 6
    for piece in FURNITURE.values():
        assert len(piece.meshes) <= 4, piece.name
        assert len(piece.boxes) <= 6, piece.name


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(UnknownNameError, match=r"unknown category 'plain'.*plane"):
        find_category("plain")
    with pytest.raises(UnknownNameError, match=r"unknown colour 'gren'.*green"):
        find_colour("gren")
