"""Pours a home and its things into an environment's copy of the model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from envs.playhouse import model as layout
from envs.playhouse.catalog import COLOURS, MAIN, SHADES
from envs.playhouse.catalog.category import MAX_SHADES
from envs.playhouse.catalog.furniture import FABRIC, SCHEMES, TIMBER
from envs.playhouse.floor_plan import WALL_HEIGHT, WALL_THICKNESS
from envs.playhouse.home import Home


@dataclass(frozen=True)
class Thing:
    """A movable thing of an episode.

    Attributes:
        category: Name of its category.
        colour: Name of its colour.
        x, y, z: where its base stands at the start, metres; z is the height of its support.
        yaw: Radians about z.
    """

    category: str
    colour: str
    x: float
    y: float
    z: float
    yaw: float


class Scene:
    """The model and state of one environment.

    Attributes:
        model: A copy of the preset's model that this environment may write to.
        data: Its state.
        things: What the object slots hold in this episode.
    """

    def __init__(self, compiled: layout.PlayhouseModel) -> None:
        """Copy the compiled model."""
        self.compiled = compiled
        self.model = copy.copy(compiled.model)
        # The compiler notes which geoms share their body's frame and then skips their own; slots must not.
        self.model.geom_sameframe[:] = mujoco.mjtSameFrame.mjSAMEFRAME_NONE
        self.data = mujoco.MjData(self.model)
        self.things: tuple[Thing, ...] = ()
        self._home_seed: int | None = None
        self._geoms = {self.model.geom(i).name: i for i in range(self.model.ngeom)}
        slots = range(compiled.object_slots)
        self._boxes = [self._geoms[f"object{i}/box"] for i in slots]
        self._bodies = [self.model.body(f"object{i}").id for i in slots]
        self._velocities = [int(self.model.joint(f"object{i}").dofadr[0]) for i in slots]
        self._slabs = [name for name in self._geoms if name.rstrip("0123456789") in ("floor", "wall", "decor")]

    def load(self, home: Home, things: Sequence[Thing]) -> None:
        """Set the scene: forget the last episode, place the home and its things, and let the agent be placed.

        Args:
            home: The home; nothing is rewritten where it is the one that is already there.
            things: At most as many as there are object slots; the other slots wait far outside.
        """
        if self._home_seed != home.seed:
            self._place_home(home)
            self._home_seed = home.seed
        # After the home: with sleeping on, the poses of static bodies are worked out here and then kept.
        mujoco.mj_resetData(self.model, self.data)
        self.things = tuple(things)
        for slot in range(self.compiled.object_slots):
            if slot < len(things):
                self._place_thing(slot, things[slot])

    def place_agent(self, x: float, y: float, yaw: float, pitch: float) -> None:
        """Stand the agent at (x, y) metres with its heading and gaze in radians (pitch up is positive)."""
        for name, value in (("x", x), ("y", y), ("yaw", yaw), ("pitch", pitch), ("reach", 0.0)):
            self.data.joint(name).qpos[0] = value
        self.data.actuator("yaw").ctrl[0] = yaw
        self.data.actuator("pitch").ctrl[0] = pitch
        mujoco.mj_forward(self.model, self.data)

    def body(self, slot: int) -> int:
        """Return the body id of a thing."""
        result: int = self._bodies[slot]
        return result

    def collision_geom(self, slot: int) -> int:
        """Return the geom id of a thing's collision box."""
        return self._boxes[slot]

    def half_extents(self, slot: int) -> np.ndarray:
        """Return half the edges of a thing's collision box, metres (3,)."""
        result: np.ndarray = self.model.geom_size[self._boxes[slot]]
        return result

    def centre(self, slot: int) -> np.ndarray:
        """Return the centre of a thing, metres (3,)."""
        result: np.ndarray = self.data.geom_xpos[self._boxes[slot]]
        return result

    def lowest(self, slot: int) -> float:
        """Return the height of the lowest corner of a thing's box, metres."""
        box = self._boxes[slot]
        return float(self.data.geom_xpos[box][2] - np.abs(self.data.geom_xmat[box][6:9]) @ self.model.geom_size[box])

    def velocity(self, slot: int) -> np.ndarray:
        """Return the linear velocity of a thing, metres a second (3,)."""
        result: np.ndarray = self.data.qvel[self._velocities[slot] : self._velocities[slot] + 3]
        return result

    def _place_home(self, home: Home) -> None:
        model, compiled = self.model, self.compiled
        slabs: list[tuple[str, tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], int]] = []
        for i, room in enumerate(home.rooms):
            half = ((room.x1 - room.x0) / 2, (room.y1 - room.y0) / 2, 0.05)
            slabs.append((f"floor{i}", (*room.centre, -0.05), half, (1, 0, 0, 0), compiled.floors[home.floors[i]]))
        x0, x1 = min(r.x0 for r in home.rooms), max(r.x1 for r in home.rooms)
        y0, y1 = min(r.y0 for r in home.rooms), max(r.y1 for r in home.rooms)
        half = ((x1 - x0) / 2, (y1 - y0) / 2, 0.05)
        slabs.append(("ceiling", ((x0 + x1) / 2, (y0 + y1) / 2, WALL_HEIGHT + 0.05), half, (1, 0, 0, 0), -1))
        for i, wall in enumerate(home.walls):
            along_x = wall.y0 == wall.y1
            length = (wall.x1 - wall.x0) + (wall.y1 - wall.y0) + (WALL_THICKNESS if wall.low == 0.0 else 0.0)
            centre = ((wall.x0 + wall.x1) / 2, (wall.y0 + wall.y1) / 2, (wall.low + wall.high) / 2)
            half = (length / 2, (wall.high - wall.low) / 2, WALL_THICKNESS / 2)
            slabs.append((f"wall{i}", centre, half, _upright(0 if along_x else 1), compiled.walls[wall.texture]))
        for i, decor in enumerate(home.decor):
            half = (decor.width / 2, decor.height / 2, 0.012)
            quat = _upright(1 + decor.quarter_turns)
            slabs.append((f"decor{i}", (decor.x, decor.y, 1.35), half, quat, compiled.decor[decor.texture]))
        used = set()
        for name, pos, half, quat, material in slabs:
            geom = self._geoms[name]
            body = model.geom_bodyid[geom]
            model.body_pos[body], model.body_quat[body] = pos, quat
            self._set_box(geom, half)
            model.geom_matid[geom] = material
            model.geom_group[geom] = layout.STRUCTURE
            used.add(name)
        for name in self._slabs:
            if name not in used:
                model.geom_group[self._geoms[name]] = layout.UNUSED
                model.body_pos[model.geom_bodyid[self._geoms[name]]] = (0.0, 0.0, -30.0)
        model.geom_rgba[self._geoms["ceiling"]] = (0.95, 0.94, 0.92, 1.0)
        for slot in range(compiled.furniture_slots):
            self._place_furniture(slot, home)
        model.vis.headlight.ambient[:] = home.ambient
        model.vis.headlight.diffuse[:] = 0.3
        model.light("sun").dir[:] = home.sun_direction
        model.light("sun").diffuse[:] = home.sun

    def _place_furniture(self, slot: int, home: Home) -> None:
        model, name = self.model, f"furniture{slot}"
        placed = home.furniture[slot] if slot < len(home.furniture) else None
        if placed is not None:
            body = model.geom_bodyid[self._geoms[f"{name}/box0"]]
            angle = placed.quarter_turns * np.pi / 2
            model.body_pos[body] = (placed.x, placed.y, 0.0)
            model.body_quat[body] = (np.cos(angle / 2), 0, 0, np.sin(angle / 2))
        timber, fabric = SCHEMES[home.scheme]
        colours = {**SHADES, TIMBER: timber, FABRIC: fabric}
        for k in range(layout.FURNITURE_SHADES):
            geom = self._geoms[f"{name}/visual{k}"]
            if placed is None or k >= len(placed.piece.meshes):
                model.geom_group[geom] = layout.UNUSED
                continue
            self._fit_mesh(geom, ("furniture", placed.piece.name, k))
            model.geom_rgba[geom] = (*colours[placed.piece.meshes[k][0]], 1.0)
        for k in range(layout.FURNITURE_BOXES):
            geom = self._geoms[f"{name}/box{k}"]
            if placed is None or k >= len(placed.piece.boxes):
                model.geom_contype[geom] = model.geom_conaffinity[geom] = 0
                model.geom_group[geom] = layout.UNUSED
                continue
            model.geom_group[geom] = layout.COLLISION
            model.geom_pos[geom], half = placed.piece.boxes[k]
            self._set_box(geom, half)
            model.geom_contype[geom], model.geom_conaffinity[geom] = layout.STATIC_BITS

    def _place_thing(self, slot: int, thing: Thing) -> None:
        model, name = self.model, f"object{slot}"
        category = self.compiled.categories[thing.category]
        for k in range(MAX_SHADES):
            geom = self._geoms[f"{name}/visual{k}"]
            if k >= len(category.meshes):
                model.geom_group[geom] = layout.UNUSED
                continue
            self._fit_mesh(geom, ("object", category.name, k))
            shade = category.meshes[k][0]
            model.geom_rgba[geom] = (*(COLOURS[thing.colour] if shade == MAIN else SHADES[shade]), 1.0)
            textured = k == 0 and category.texture is not None
            model.geom_matid[geom] = model.material(f"object:{category.name}").id if textured else -1
        collision = self._geoms[f"{name}/box"]
        half = category.half_extents
        model.geom_pos[collision] = (0, 0, half[2])
        self._set_box(collision, half)
        pose = (thing.x, thing.y, thing.z, np.cos(thing.yaw / 2), 0, 0, np.sin(thing.yaw / 2))
        self.data.joint(name).qpos[:] = pose

    def _set_box(self, geom: int, half: Sequence[float]) -> None:
        """Give a box geom its half edges, and the bounds that collision detection reads."""
        self.model.geom_size[geom] = half
        self.model.geom_rbound[geom] = np.linalg.norm(half)
        self.model.geom_aabb[geom, 3:] = half

    def _fit_mesh(self, geom: int, key: tuple[str, str, int]) -> None:
        """Show a mesh in a visual slot."""
        model, fit = self.model, self.compiled.fits[key]
        model.geom_dataid[geom] = fit.mesh
        model.geom_pos[geom], model.geom_quat[geom] = fit.pos, fit.quat
        model.geom_aabb[geom] = fit.aabb
        model.geom_size[geom] = fit.aabb[3:]
        model.geom_rbound[geom] = np.linalg.norm(np.abs(fit.aabb[:3]) + fit.aabb[3:])
        model.geom_group[geom] = layout.VISIBLE


def _upright(quarter_turns: int) -> tuple[float, float, float, float]:
    """Return the quaternion of a slab that stands up: local y points up, local x runs along quarter turns from +x."""
    half = quarter_turns * np.pi / 4
    s = np.sqrt(0.5)
    return (float(np.cos(half) * s), float(np.cos(half) * s), float(np.sin(half) * s), float(np.sin(half) * s))
