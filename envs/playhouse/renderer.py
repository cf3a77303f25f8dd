"""Off-screen pictures: one GL context a thread for each compiled model, shared by its environments.

Measured on Mesa's software driver, 64x64: one *plane* geom costs 3 ms a frame, whatever its size or texture, and the
same floor as a box 0.03 ms; so the floors here are boxes, and the plane that carries things is not drawn.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence

if "MUJOCO_GL" not in os.environ and sys.platform == "linux" and not os.environ.get("DISPLAY"):
    # Without a display MuJoCo would pick GLFW, which needs one.
    os.environ["MUJOCO_GL"] = "egl"
# Mesa's software driver otherwise starts a thread a core in every process, which small pictures do not need.
os.environ.setdefault("LP_NUM_THREADS", "0")

try:
    import mujoco
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("the playhouse needs MuJoCo: pip install 'vlm-rewards[playhouse]'") from error
import numpy as np

from envs.playhouse.errors import GLDriverError, PlayhouseError
from envs.playhouse.model import BODY, STRUCTURE, UNUSED, VISIBLE, PlayhouseModel

#: Largest picture, pixels.
MAX_SIZE = 480
_MAX_GEOMS = 400

_shared: dict[tuple[int, int], Renderer] = {}
# Whose context is current, by thread: switching costs more than a small picture.
_current: dict[int, Renderer] = {}


def live_contexts() -> int:
    """Return the number of GL contexts this process holds."""
    return len(_shared)


class Renderer:
    """Draws any environment of one compiled model. Get one from `acquire`, give it back with `release`."""

    def __init__(self, compiled: PlayhouseModel) -> None:
        """Open a GL context.

        Raises:
            GLDriverError: There is no driver that draws off screen.
        """
        self._compiled = compiled
        self._users = 0
        self._thread = threading.get_ident()
        backend = os.environ.get("MUJOCO_GL", "")
        try:
            self._gl = mujoco.GLContext(MAX_SIZE, MAX_SIZE)
            self._gl.make_current()
            compiled.model.vis.global_.offwidth = compiled.model.vis.global_.offheight = MAX_SIZE
            self._context = mujoco.MjrContext(compiled.model, mujoco.mjtFontScale.mjFONTSCALE_100)
        except Exception as error:
            chosen = mujoco.GLContext.__module__.rpartition(".")[2]
            if backend and chosen != backend:
                raise GLDriverError(
                    f"MuJoCo was imported before envs.playhouse and draws by {chosen}, which cannot draw off screen "
                    f"here: import envs.playhouse first, or set MUJOCO_GL={backend}"
                ) from error
            raise GLDriverError(
                f"cannot draw off screen with MUJOCO_GL={backend!r} ({type(error).__name__}); on Debian install "
                "libegl1 and libgl1-mesa-dri and set MUJOCO_GL=egl, or install libosmesa6 and set MUJOCO_GL=osmesa"
            ) from error
        _current[self._thread] = self
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(compiled.model, maxgeom=_MAX_GEOMS)
        for flag in ("SHADOW", "REFLECTION", "HAZE", "FOG", "SKYBOX"):
            self._scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{flag}")] = 0
        self._eye = mujoco.MjvCamera()
        self._eye.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._eye.fixedcamid = compiled.model.camera("eye").id
        self._first_person = _options((VISIBLE, STRUCTURE))
        self._from_above = _options((VISIBLE, STRUCTURE, BODY))

    @classmethod
    def acquire(cls, compiled: PlayhouseModel) -> Renderer:
        """Return this thread's renderer of this compiled model; every call needs one `release`.

        Raises:
            GLDriverError: There is no driver that draws off screen.
        """
        key = (id(compiled), threading.get_ident())
        renderer = _shared.get(key)
        if renderer is None:
            renderer = cls(compiled)
            _shared[key] = renderer
        renderer._users += 1
        return renderer

    def release(self) -> None:
        """Give the renderer back; the last user closes the GL context."""
        self._users -= 1
        if self._users == 0:
            del _shared[id(self._compiled), self._thread]
            self._make_current()
            self._context.free()
            self._gl.free()
            _current.pop(self._thread, None)

    def eye(self, model: mujoco.MjModel, data: mujoco.MjData, sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        """Return what the agent sees, drawn once for each (height, width): uint8 (H, W, 3) each."""
        return self._draw(model, data, self._eye, self._first_person, sizes)

    def map(
        self, model: mujoco.MjModel, data: mujoco.MjData, centre: tuple[float, float], span: float, size: int
    ) -> np.ndarray:
        """Return a slanted view of the home from above without its ceiling: uint8 (size, size, 3)."""
        camera = mujoco.MjvCamera()
        camera.lookat[:] = (*centre, 0.0)
        camera.distance, camera.azimuth, camera.elevation = 1.2 * span + 1.0, 90.0, -72.0
        ceiling = model.geom("ceiling")
        group, ceiling.group[0] = int(ceiling.group[0]), UNUSED
        try:
            return self._draw(model, data, camera, self._from_above, [(size, size)])[0]
        finally:
            ceiling.group[0] = group

    def _make_current(self) -> None:
        if _current.get(self._thread) is not self:
            self._gl.make_current()
            _current[self._thread] = self

    def _draw(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        camera: mujoco.MjvCamera,
        options: mujoco.MjvOption,
        sizes: Sequence[tuple[int, int]],
    ) -> list[np.ndarray]:
        if threading.get_ident() != self._thread:
            # GL would draw nothing and say nothing.
            raise PlayhouseError("a GL context belongs to one thread; use an environment in the thread that built it")
        self._make_current()
        mujoco.mjv_updateScene(model, data, options, None, camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene)
        frames = []
        for height, width in sizes:
            rectangle = mujoco.MjrRect(0, 0, width, height)
            frame = np.empty((height, width, 3), dtype=np.uint8)
            mujoco.mjr_render(rectangle, self._scene, self._context)
            mujoco.mjr_readPixels(frame, None, rectangle, self._context)
            frames.append(np.ascontiguousarray(frame[::-1]))
        return frames


def _options(groups: tuple[int, ...]) -> mujoco.MjvOption:
    options = mujoco.MjvOption()
    options.geomgroup[:] = 0
    options.geomgroup[list(groups)] = 1
    return options
