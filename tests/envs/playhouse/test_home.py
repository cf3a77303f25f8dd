import numpy as np
import pytest

from envs.playhouse.errors import UnknownNameError
from envs.playhouse.home import generate_home
from envs.playhouse.navigation import NavGrid
from envs.playhouse.presets import home_seeds, load_preset, preset_names
from envs.playhouse.sight import clear_lines
from vlm_rewards.errors import ConfigError


@pytest.mark.parametrize("preset", ["small", "medium", "full"])
def test_homes_are_connected_furnished_and_as_large_as_the_preset_says(preset):
    preset = load_preset(preset)
    counts = set()
    for seed in range(40):
        home = generate_home(preset, seed)
        counts.add(len(home.rooms))
        assert preset.rooms[0] <= len(home.rooms) <= preset.rooms[1]
        assert len(home.doors) >= len(home.rooms) - 1
        assert len(home.furniture) <= preset.furniture_slots
        component = home.nav.component(*home.nav.points(home.nav.free)[0])
        np.testing.assert_array_equal(component, home.nav.free)
        for door in home.doors:
            assert home.nav.free[home.nav.cell(door.x, door.y)]
        rectangles = [placed.rectangle for placed in home.furniture]
        for i, (x0, y0, x1, y1) in enumerate(rectangles):
            for u0, v0, u1, v1 in rectangles[i + 1 :]:
                assert x1 <= u0 or u1 <= x0 or y1 <= v0 or v1 <= y0
    assert counts == set(range(preset.rooms[0], preset.rooms[1] + 1))


def test_a_home_is_its_seed():
    preset = load_preset("full")
    first, again, other = (generate_home(preset, seed) for seed in (3, 3, 4))
    assert first is again
    assert (first.walls, first.furniture) != (other.walls, other.furniture)


def test_splits_share_no_home():
    preset = load_preset("full")
    assert not set(home_seeds(preset, "train")) & set(home_seeds(preset, "held_out"))
    with pytest.raises(ConfigError, match="unknown split 'test'"):
        home_seeds(preset, "test")


def test_unknown_presets_are_answered_with_near_ones():
    assert preset_names() == ["full", "medium", "small"]
    with pytest.raises(UnknownNameError, match=r"unknown preset 'smal'.*small"):
        load_preset("smal")


def test_a_preset_file_with_a_bad_value_is_refused(tmp_path):
    text = (load_preset("small").model_dump_json()).replace('"rooms":[1,1]', '"rooms":[1,9]')
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="rooms is"):
        load_preset(str(path))
    path.write_text(text.replace('"rooms":[1,9]', '"rooms":[1,1]').replace('"red"', '"rad"'))
    with pytest.raises(ConfigError, match="unknown colour 'rad'"):
        load_preset(str(path))


def test_the_way_leads_around_a_wall():
    grid = NavGrid.of((0.0, 0.0, 4.0, 4.0), [(2.0, 0.0, 2.1, 3.0)])
    path = grid.path((1.0, 1.0), grid.distances(3.0, 1.0) < 0.15)
    assert path[:, 1].max() > 3.2
    assert all(grid.free[grid.cell(x, y)] for x, y in path)
    blocked = NavGrid.of((0.0, 0.0, 4.0, 4.0), [(2.0, 0.0, 2.1, 4.0)])
    assert blocked.path((1.0, 1.0), blocked.distances(3.0, 1.0) < 0.15) is None


def test_lines_are_stopped_by_boxes_only():
    boxes = np.array([[[1.0, -1.0, 0.0], [2.0, 1.0, 1.0]]])
    points = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 3.0], [0.0, 5.0, 0.5], [2.5, 0.0, 0.5]])
    target = np.array([3.0, 0.0, 0.5])
    np.testing.assert_array_equal(clear_lines(points, target, boxes), [False, True, True, True])
    np.testing.assert_array_equal(clear_lines(points, target, boxes[:0]), [True] * 4)
