"""A MuJoCo scene of the web's pictures: things on a ground before backdrops, a table, furniture, a hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

if "MUJOCO_GL" not in os.environ and sys.platform == "linux" and not os.environ.get("DISPLAY"):
    os.environ["MUJOCO_GL"] = "egl"
os.environ.setdefault("LP_NUM_THREADS", "0")

import mujoco
import numpy as np

from envs.playhouse.geometry import Mesh
from envs.web.colours import Rgb
from envs.web.parts import MAIN
from envs.web.textures import BACKDROPS, GROUNDS, Surface
from envs.web.things import CATEGORIES, Shape, draw_shape

#: Ways each category can look.
VARIANTS = 10
SLOTS = 6
SHADES = 3
#: Largest picture drawn, pixels.
MAX_SIZE = 256
#: Fields of view in degrees: long and wide lenses.
FIELDS_OF_VIEW = ((26.0, 50.0), (70.0, 96.0))
#: Heights of the camera above what things stand on, metres.
HEIGHTS = ((0.1, 0.78), (1.02, 2.6))
#: Tilts of the camera's horizon, radians either way: no picture of the web is level.
ROLLS = (0.035, 0.4)
_AWAY = (0.0, 0.0, -60.0)


@dataclass(frozen=True)
class Placed:
    """A thing in a picture: a shape, its colours by shade, where its base stands (metres), heading, and size."""

    shape: int
    colours: tuple[Rgb, Rgb, Rgb]
    at: tuple[float, float, float]
    yaw: float
    roll: float = 0.0


@dataclass(frozen=True)
class Lens:
    """A camera: where it stands, where it looks (metres), field of view (degrees), and roll (radians)."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    field_of_view: float
    roll: float


@dataclass(frozen=True)
class Surroundings:
    """What is around: surfaces by index, lights, and whether a table stands under the things."""

    ground: int
    backdrop: int
    ambient: float
    light: Rgb
    direction: tuple[float, float, float]
    table: Rgb | None = None
    hand: tuple[float, float, float] | None = None
    skin: Rgb = (0.8, 0.6, 0.5)
    furniture: tuple[tuple[tuple[float, float, float], tuple[float, float, float], Rgb], ...] = ()


class Scenery:
    """Draws pictures; one a process. A picture depends on its arguments alone."""

    def __init__(self) -> None:
        """Compile the shapes and open a GL context."""
        rng = np.random.default_rng(77)
        self.shapes: list[Shape] = [draw_shape(name, rng) for name in CATEGORIES for _ in range(VARIANTS)]
        #: Sizes of the shapes, metres along the longest edge.
        self.sizes = [float(rng.uniform(0.24, 0.42)) for _ in self.shapes]
        spec = mujoco.MjSpec()
        spec.visual.quality.shadowsize = 0
        spec.visual.quality.offsamples = 0
        spec.visual.map.znear, spec.visual.map.zfar = 0.02, 30.0
        spec.stat.extent, spec.stat.center = 1.0, [0, 0, 0]
        for prefix, surfaces in (("ground", GROUNDS), ("backdrop", BACKDROPS)):
            for number, surface in enumerate(surfaces):
                _add_surface(spec, f"{prefix}{number}", surface, repeat=prefix == "ground")
        for number, (shape, size) in enumerate(zip(self.shapes, self.sizes, strict=True)):
            for k, (_, mesh) in enumerate(shape.parts):
                _add_mesh(spec, f"shape{number}/{k}", mesh.scaled(size))
        self._add_world(spec)
        self._model = model = spec.compile()
        model.geom_sameframe[:] = mujoco.mjtSameFrame.mjSAMEFRAME_NONE
        self._data = mujoco.MjData(model)
        self._geoms = {model.geom(i).name: i for i in range(model.ngeom)}
        model.vis.global_.offwidth = model.vis.global_.offheight = MAX_SIZE
        self._gl = mujoco.GLContext(MAX_SIZE, MAX_SIZE)
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=120)
        for flag in ("SHADOW", "REFLECTION", "HAZE", "FOG", "SKYBOX"):
            self._scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{flag}")] = 0
        self._options = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = 0

    def size_of(self, shape: int) -> tuple[float, float]:
        """Return the longest edge and height of a shape, metres."""
        return self.sizes[shape], self.sizes[shape] * self.shapes[shape].height

    def close(self) -> None:
        """Give the GL context back."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()

    def draw(self, things: Sequence[Placed], around: Surroundings, lens: Lens, size: tuple[int, int]) -> np.ndarray:
        """Draw a picture.

        Args:
            things: At most `SLOTS` things.
            around: Everything else.
            lens: The camera.
            size: (height, width) in pixels, at most `MAX_SIZE`.

        Returns:
            uint8 (height, width, 3).
        """
        model, data = self._model, self._data
        for slot in range(SLOTS):
            self._set_thing(slot, things[slot] if slot < len(things) else None)
        self._set_surroundings(around)
        model.cam_fovy[0] = lens.field_of_view
        model.cam_pos[0] = lens.eye
        model.cam_quat[0] = _looking(lens)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        self._gl.make_current()
        # The playhouse keeps note of its own current context; it makes sure of it at its next picture.
        _forget_current()
        mujoco.mjv_updateScene(model, data, self._options, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene)
        rectangle = mujoco.MjrRect(0, 0, size[1], size[0])
        frame = np.empty((*size, 3), np.uint8)
        mujoco.mjr_render(rectangle, self._scene, self._context)
        mujoco.mjr_readPixels(frame, None, rectangle, self._context)
        return np.ascontiguousarray(frame[::-1])

    def _add_world(self, spec: mujoco.MjSpec) -> None:
        world = spec.worldbody
        world.add_camera(name="lens", pos=[0, 0, 1])
        world.add_light(name="lamp", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, dir=[0, 0, -1], castshadow=False)
        box = mujoco.mjtGeom.mjGEOM_BOX
        for name, half in (
            ("ground", [8, 8, 0.05]),
            ("back0", [8, 5, 0.05]),
            ("back1", [8, 5, 0.05]),
            ("back2", [8, 5, 0.05]),
            ("back3", [8, 5, 0.05]),
            ("table", [0.8, 0.6, 0.03]),
        ):
            world.add_geom(name=name, type=box, size=half, contype=0, conaffinity=0)
        for k in range(3):
            world.add_geom(name=f"furniture{k}", type=box, size=[0.3, 0.3, 0.3], contype=0, conaffinity=0)
        capsule = mujoco.mjtGeom.mjGEOM_CAPSULE
        world.add_geom(name="arm", type=capsule, size=[0.045, 0.3, 0], contype=0, conaffinity=0)
        world.add_geom(
            name="palm", type=mujoco.mjtGeom.mjGEOM_ELLIPSOID, size=[0.06, 0.05, 0.03], contype=0, conaffinity=0
        )
        for k in range(4):
            world.add_geom(name=f"finger{k}", type=capsule, size=[0.013, 0.045, 0], contype=0, conaffinity=0)
        for slot in range(SLOTS):
            for k in range(SHADES):
                world.add_geom(
                    name=f"thing{slot}/{k}",
                    type=mujoco.mjtGeom.mjGEOM_MESH,
                    meshname="shape0/0",
                    contype=0,
                    conaffinity=0,
                )

    def _set_thing(self, slot: int, placed: Placed | None) -> None:
        model = self._model
        parts = self.shapes[placed.shape].parts if placed else ()
        for k in range(SHADES):
            geom = self._geoms[f"thing{slot}/{k}"]
            if placed is None or k >= len(parts):
                model.geom_pos[geom] = _AWAY
                continue
            mesh = model.mesh(f"shape{placed.shape}/{k}").id
            turn, rolled = np.empty(4), np.empty(4)
            mujoco.mju_axisAngle2Quat(turn, np.array([0.0, 0.0, 1.0]), placed.yaw)
            mujoco.mju_axisAngle2Quat(rolled, np.array([1.0, 0.0, 0.0]), placed.roll)
            pose, offset = np.empty(4), np.empty(3)
            mujoco.mju_mulQuat(pose, turn, rolled)
            mujoco.mju_rotVecQuat(offset, model.mesh_pos[mesh], pose)
            own = np.empty(4)
            mujoco.mju_mulQuat(own, pose, model.mesh_quat[mesh])
            model.geom_dataid[geom] = mesh
            model.geom_pos[geom], model.geom_quat[geom] = np.array(placed.at) + offset, own
            model.geom_rgba[geom] = (*placed.colours[(MAIN, "second", "dark").index(parts[k][0])], 1.0)
            model.geom_rbound[geom] = 1.0

    def _set_surroundings(self, around: Surroundings) -> None:
        model = self._model
        ground, table = self._geoms["ground"], self._geoms["table"]
        model.geom_pos[ground] = (0, 0, -0.05 - (0.75 if around.table else 0.0))
        model.geom_matid[ground] = model.material(f"ground{around.ground}").id
        model.geom_pos[table] = (0, 0, -0.03) if around.table else _AWAY
        model.geom_rgba[table] = (*(around.table or (1, 1, 1)), 1.0)
        half = np.sqrt(0.5)
        for k in range(4):
            geom = self._geoms[f"back{k}"]
            angle = k * np.pi / 2
            model.geom_pos[geom] = (4.6 * np.cos(angle), 4.6 * np.sin(angle), 2.5)
            # Upright, facing the middle.
            spin = np.array([np.cos((angle + np.pi / 2) / 2), 0, 0, np.sin((angle + np.pi / 2) / 2)])
            quat = np.empty(4)
            mujoco.mju_mulQuat(quat, spin, np.array([half, half, 0, 0]))
            model.geom_quat[geom] = quat
            model.geom_matid[geom] = model.material(f"backdrop{around.backdrop}").id
        for k in range(3):
            geom = self._geoms[f"furniture{k}"]
            if k < len(around.furniture):
                at, size, rgb = around.furniture[k]
                model.geom_pos[geom], model.geom_size[geom], model.geom_rgba[geom] = at, size, (*rgb, 1.0)
                model.geom_rbound[geom] = 3.0
            else:
                model.geom_pos[geom] = _AWAY
        self._set_hand(around)
        model.vis.headlight.ambient[:] = around.ambient
        model.vis.headlight.diffuse[:] = 0.25
        model.light("lamp").diffuse[:] = around.light
        model.light("lamp").dir[:] = around.direction

    def _set_hand(self, around: Surroundings) -> None:
        """Set an arm from below whose fingers lie on the thing at `around.hand`."""
        model = self._model
        names = ["arm", "palm", *[f"finger{k}" for k in range(4)]]
        for name in names:
            geom = self._geoms[name]
            model.geom_rgba[geom] = (*around.skin, 1.0)
            if around.hand is None:
                model.geom_pos[geom] = _AWAY
                continue
            x, y, z = around.hand
            if name == "arm":
                model.geom_pos[geom], model.geom_quat[geom] = (x, y + 0.11, z - 0.31), (0.985, 0.17, 0, 0)
            elif name == "palm":
                model.geom_pos[geom], model.geom_quat[geom] = (x, y, z), (0.7, 0.7, 0, 0)
            else:
                k = int(name[-1])
                model.geom_pos[geom] = (x - 0.05 + 0.033 * k, y - 0.02, z + 0.05)
                model.geom_quat[geom] = (0.98, 0.15, 0.05 * (k - 1.5), 0)


@lru_cache(maxsize=1)
def scenery() -> Scenery:
    """Return this process's scenery."""
    return Scenery()


def _looking(lens: Lens) -> np.ndarray:
    """Return the quaternion (4,) of a camera that looks from its eye to its target, rolled."""
    back = np.array(lens.eye) - np.array(lens.target)
    back /= np.linalg.norm(back)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    cos, sin = np.cos(lens.roll), np.sin(lens.roll)
    matrix = np.column_stack([cos * right + sin * up, cos * up - sin * right, back])
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(matrix).ravel())
    return quat


def _add_surface(spec: mujoco.MjSpec, name: str, surface: Surface, repeat: bool) -> None:
    height, width = surface.image.shape[:2]
    texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=width, height=height, nchannel=3)
    texture.data = surface.image.tobytes()
    material = spec.add_material(
        name=name, texuniform=repeat, texrepeat=[1.3, 1.3] if repeat else [1, 1], specular=0.05
    )
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name


def _add_mesh(spec: mujoco.MjSpec, name: str, mesh: Mesh) -> None:
    added = spec.add_mesh(name=name)
    added.uservert = mesh.vertices.ravel()
    added.usernormal = mesh.normals.ravel()
    added.userface = added.userfacenormal = mesh.faces.ravel()
    added.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL


def _forget_current() -> None:
    import threading

    playhouse = sys.modules.get("envs.playhouse.renderer")
    if playhouse is not None:
        playhouse._current.pop(threading.get_ident(), None)
