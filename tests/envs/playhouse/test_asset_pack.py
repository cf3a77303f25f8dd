import numpy as np
import pytest
from PIL import Image

from envs.playhouse.asset_pack import load_pack, read_obj
from envs.playhouse.errors import AssetPackError

PYRAMID = """# a pyramid
v -1 -1 0
v 1 -1 0
v 1 1 0
v -1 1 0
v 0 0 2
vt 0 0
vt 1 0
vt 0.5 1
f 4/1 3/2 2/3 1/1
f 1/1 2/2 5/3
f 2/1 3/2 5/3
f 3/1 4/2 5/3
f -2/1 -5/2 -1/3
"""


@pytest.fixture
def pack(tmp_path):
    (tmp_path / "pyramid.obj").write_text(PYRAMID)
    Image.fromarray(np.full((32, 32, 3), (255, 0, 255), np.uint8)).save(tmp_path / "pyramid.png")
    (tmp_path / "mug.obj").write_text(PYRAMID)
    return tmp_path


def test_a_pack_adds_and_replaces_categories(pack, make):
    categories = load_pack(pack)
    assert set(categories) == {"pyramid", "mug"}
    assert max(categories["mug"].half_extents) == pytest.approx(0.18)
    env = make("find", "small", asset_pack=str(pack), goal_id="find.white.pyramid")
    env.reset(seed=0)
    assert env.task_set.goal("find.red.pyramid").instruction == "Go near a red pyramid"
    assert env.scene.compiled.categories["mug"].half_extents == categories["mug"].half_extents
    x, y, z = env.scene.centre(0)
    env.scene.place_agent(float(x) - 0.7, float(y), 0.0, float(np.arctan2(z - 0.95, 0.7)))
    red, green, blue = env.view((64, 64))[28:36, 28:36].reshape(-1, 3).mean(axis=0)
    assert min(red, blue) > 2 * green, "the texture shows"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v 0 0 0\nv 1 0 0\nf 1 2 9\n", r"line 3: broken mesh \(there is no v 9\)"),
        ("v 0 0 zero\n", "line 1: broken mesh"),
        ("v 0 0 0\nv 1 0 0\nf 1 2\n", "three corners"),
        ("v 0 0 0\n", "has 0 triangles"),
        ("v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n", "coordinates without size"),
        ("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
    ],
)
def test_a_broken_mesh_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "thing.obj"
    path.write_text(text)
    with pytest.raises(AssetPackError, match=message):
        read_obj(path)


def test_a_broken_pack_is_refused(tmp_path, pack):
    with pytest.raises(AssetPackError, match=r"holds no \.obj file"):
        load_pack(tmp_path / "nowhere")
    (pack / "mug.png").write_text("not an image")
    with pytest.raises(AssetPackError, match="cannot read texture"):
        load_pack(pack)
    (pack / "mug.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(AssetPackError, match="no texture coordinates"):
        load_pack(pack)
