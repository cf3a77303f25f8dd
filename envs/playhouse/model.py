"""The one MuJoCo model of a preset: slots that every home and every episode is poured into.

Compiling costs far more than a reset, so a model is compiled once a process for each set of categories and slot
counts. Walls, furniture and movable things are *slots*: bodies whose meshes, sizes, colours and places
`envs.playhouse.scene` writes into an environment's own copy of the model. Every mesh is uploaded to the GL
context once and shared by all environments of the preset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from envs.playhouse.asset_pack import load_image
from envs.playhouse.catalog.category import MAX_SHADES, Category
from envs.playhouse.catalog.furniture import FURNITURE
from envs.playhouse.geometry import Mesh, box
from envs.playhouse.navigation import AGENT_RADIUS
from envs.playhouse.textures import DECOR, FLOORS, WALLS

#: Simulated seconds of one physics step, and physics steps of one environment step.
TIMESTEP = 0.02
SUBSTEPS = 10
#: Height of the eye, metres; vertical field of view, degrees.
EYE_HEIGHT = 0.9
FIELD_OF_VIEW = 60.0
#: How far the hand can reach from the eye, metres.
REACH = 1.35
#: Mass of every movable thing, kg.
OBJECT_MASS = 0.4
WALL_SLOTS = 28
FLOOR_SLOTS = 5
DECOR_SLOTS = 8
FURNITURE_BOXES = 6
FURNITURE_SHADES = 4

#: Geom groups: meshes that cameras draw, walls and floors (drawn too, and hiding what is behind them), collision
#: shapes, the agent's own body, unused slots.
VISIBLE, STRUCTURE, COLLISION, BODY, UNUSED = 0, 1, 3, 4, 5
# Collision bits (contype, conaffinity); a pair collides where the type of one meets the affinity of the other.
FLOOR_BITS = (1, 0)
OBJECT_BITS = (2, 1 | 2 | 4)
STATIC_BITS = (4, 0)
AGENT_BITS = (8, 2 | 4)
HAND_BITS = (16, 2 | 4)


@dataclass(frozen=True)
class MeshFit:
    """How a compiled mesh goes into a geom: MuJoCo moves every mesh into its own inertial frame.

    Attributes:
        mesh: Id of the mesh.
        pos: Geom position that puts the mesh back where it was drawn, metres (3,).
        quat: Likewise, (4,).
        aabb: Centre and half edges in the geom's frame, metres (6,).
    """

    mesh: int
    pos: np.ndarray
    quat: np.ndarray
    aabb: np.ndarray


@dataclass(frozen=True)
class PlayhouseModel:
    """A compiled model with the addresses of its slots.

    Attributes:
        model: The pristine model; environments copy it.
        categories: What an object slot can become, by name.
        fits: Mesh fits by (kind, name, index of the shade); kind is "object" or "furniture".
        floors, walls, decor: material ids, in the order of the texture tables.
        object_slots: Number of object slots.
        furniture_slots: Number of furniture slots.
    """

    model: mujoco.MjModel
    categories: dict[str, Category]
    fits: dict[tuple[str, str, int], MeshFit]
    floors: tuple[int, ...]
    walls: tuple[int, ...]
    decor: tuple[int, ...]
    object_slots: int
    furniture_slots: int


def build_model(
    categories: Sequence[Category], object_slots: int, furniture_slots: int, antialiasing: int = 0
) -> PlayhouseModel:
    """Compile the model (about a tenth of a second for all categories).

    Args:
        categories: What an object slot can become.
        object_slots: Movable things in an episode.
        furniture_slots: Pieces of furniture in a home.
        antialiasing: Samples a pixel; 0 draws twice as fast as 4.
    """
    spec = mujoco.MjSpec()
    _set_options(spec, antialiasing)
    for table, prefix in ((FLOORS, "floor"), (WALLS, "wall"), (DECOR, "decor")):
        for name, image in table.items():
            _add_texture(spec, f"{prefix}:{name}", image, repeat=prefix != "decor")
    keys: list[tuple[str, str, int]] = []
    for category in categories:
        for index, (_, mesh) in enumerate(category.meshes):
            keys.append(("object", category.name, index))
            texcoords = category.texcoords if index == 0 else None
            _add_mesh(spec, "/".join(map(str, keys[-1])), mesh, texcoords)
        if category.texture is not None:
            _add_texture(spec, f"object:{category.name}", load_image(category.texture), repeat=False)
    for piece in FURNITURE.values():
        for index, (_, mesh) in enumerate(piece.meshes):
            keys.append(("furniture", piece.name, index))
            _add_mesh(spec, "/".join(map(str, keys[-1])), mesh)
    _add_mesh(spec, "placeholder", box(0.1, 0.1, 0.1))
    world = spec.worldbody
    world.add_geom(
        name="ground",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0, 0, 0.1],
        group=COLLISION,
        contype=FLOOR_BITS[0],
        conaffinity=FLOOR_BITS[1],
        friction=[1.0, 0.01, 0.001],
    )
    world.add_light(
        name="sun", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=[0, 0, 3], dir=[0, 0, -1], castshadow=False
    )
    for i in range(FLOOR_SLOTS):
        _add_slab(spec, f"floor{i}", collides=False)
    _add_slab(spec, "ceiling", collides=False)
    for i in range(WALL_SLOTS):
        _add_slab(spec, f"wall{i}", collides=True)
    for i in range(DECOR_SLOTS):
        _add_slab(spec, f"decor{i}", collides=False)
    for i in range(furniture_slots):
        _add_furniture_slot(spec, i)
    _add_agent(spec)
    for i in range(object_slots):
        _add_object_slot(spec, i)
    model = spec.compile()
    return PlayhouseModel(
        model=model,
        categories={category.name: category for category in categories},
        fits={key: _fit(model, model.mesh("/".join(map(str, key))).id) for key in keys},
        floors=tuple(model.material(f"floor:{name}").id for name in FLOORS),
        walls=tuple(model.material(f"wall:{name}").id for name in WALLS),
        decor=tuple(model.material(f"decor:{name}").id for name in DECOR),
        object_slots=object_slots,
        furniture_slots=furniture_slots,
    )


def _set_options(spec: mujoco.MjSpec, antialiasing: int) -> None:
    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
    spec.option.iterations = 20
    # Things at rest sleep until something touches them: physics of a full home is then four times as fast.
    spec.option.enableflags |= mujoco.mjtEnableBit.mjENBL_SLEEP
    # The midphase prunes by bounding volumes of the compiled geoms, which slots outgrow.
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_MIDPHASE
    # Shadow maps cost far more than all else in software rendering.
    spec.visual.quality.shadowsize = 0
    spec.visual.quality.offsamples = antialiasing
    spec.visual.map.znear = 0.09
    spec.visual.map.zfar = 40.0
    spec.visual.headlight.specular = [0.04, 0.04, 0.04]
    spec.stat.extent = 1.0
    spec.stat.center = [0, 0, 0]


def _add_texture(spec: mujoco.MjSpec, name: str, image: np.ndarray, repeat: bool) -> None:
    """Add a 2D texture and its material; `repeat` tiles it once a metre, otherwise it covers the geom once."""
    height, width = image.shape[:2]
    texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=width, height=height, nchannel=3)
    texture.data = image.tobytes()
    material = spec.add_material(name=name, texuniform=repeat, texrepeat=[1, 1], specular=0.05, shininess=0.1)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name


def _add_mesh(spec: mujoco.MjSpec, name: str, mesh: Mesh, texcoords: np.ndarray | None = None) -> None:
    added = spec.add_mesh(name=name)
    added.uservert = mesh.vertices.ravel()
    added.usernormal = mesh.normals.ravel()
    added.userface = added.userfacenormal = mesh.faces.ravel()
    if texcoords is not None:
        added.usertexcoord = texcoords.ravel()
        added.userfacetexcoord = mesh.faces.ravel()
    # Shell inertia takes open surfaces too; bodies bring their own inertia anyway.
    added.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL


def _fit(model: mujoco.MjModel, mesh: int) -> MeshFit:
    start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices = model.mesh_vert[start : start + count]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    aabb = np.concatenate([(low + high) / 2, (high - low) / 2])
    return MeshFit(mesh, model.mesh_pos[mesh].copy(), model.mesh_quat[mesh].copy(), aabb)


def _add_slab(spec: mujoco.MjSpec, name: str, collides: bool) -> None:
    """Add a box slot whose local z is its normal, as 2D textures lie in the local x-y plane."""
    bits = STATIC_BITS if collides else (0, 0)
    spec.worldbody.add_body(name=name).add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.1, 0.1, 0.1],
        group=UNUSED,
        contype=bits[0],
        conaffinity=bits[1],
    )


def _add_visuals(body: mujoco.MjsBody, prefix: str, count: int) -> None:
    for k in range(count):
        body.add_geom(
            name=f"{prefix}/visual{k}",
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname="placeholder",
            group=UNUSED,
            contype=0,
            conaffinity=0,
            mass=0,
        )


def _add_furniture_slot(spec: mujoco.MjSpec, index: int) -> None:
    body = spec.worldbody.add_body(name=f"furniture{index}")
    _add_visuals(body, f"furniture{index}", FURNITURE_SHADES)
    for k in range(FURNITURE_BOXES):
        body.add_geom(
            name=f"furniture{index}/box{k}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[0.1, 0.1, 0.1],
            group=COLLISION,
            contype=STATIC_BITS[0],
            conaffinity=STATIC_BITS[1],
        )


def _add_object_slot(spec: mujoco.MjSpec, index: int) -> None:
    body = spec.worldbody.add_body(name=f"object{index}", pos=[50.0 + index, 50.0, 0.0])
    body.add_freejoint(name=f"object{index}")
    body.mass = OBJECT_MASS
    # One inertia for all kinds, of a 0.3 m box: swapping kinds then needs no recompilation.
    body.inertia = [OBJECT_MASS / 6 * 0.09] * 3
    body.ipos = [0, 0, 0.14]
    body.explicitinertial = True
    _add_visuals(body, f"object{index}", MAX_SHADES)
    body.add_geom(
        name=f"object{index}/box",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.15, 0.15, 0.15],
        pos=[0, 0, 0.15],
        group=COLLISION,
        contype=OBJECT_BITS[0],
        conaffinity=OBJECT_BITS[1],
        friction=[0.9, 0.02, 0.002],
    )
    spec.add_equality(
        name=f"hold{index}",
        type=mujoco.mjtEq.mjEQ_WELD,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        name1="hand",
        name2=f"object{index}",
        active=False,
        solref=[0.04, 1.0],
    )


def _add_agent(spec: mujoco.MjSpec) -> None:
    """Add a capsule that slides and turns, a head that nods, and a hand that reaches along the gaze."""
    base = spec.worldbody.add_body(name="agent")
    slide, hinge = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
    base.add_joint(name="x", type=slide, axis=[1, 0, 0])
    base.add_joint(name="y", type=slide, axis=[0, 1, 0])
    base.add_joint(name="yaw", type=hinge, axis=[0, 0, 1], armature=0.2)
    base.add_geom(
        name="agent",
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        size=[AGENT_RADIUS, 0.3, 0],
        pos=[0, 0, 0.55],
        mass=20,
        group=BODY,
        contype=AGENT_BITS[0],
        conaffinity=AGENT_BITS[1],
        friction=[0.1, 0.005, 0.0001],
        rgba=[0.2, 0.5, 0.8, 1],
    )
    head = base.add_body(name="head", pos=[0, 0, EYE_HEIGHT])
    head.add_joint(name="pitch", type=hinge, axis=[0, -1, 0], armature=0.3)
    head.add_geom(
        name="head",
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=[0.14, 0, 0],
        mass=2,
        group=BODY,
        contype=0,
        conaffinity=0,
        rgba=[0.93, 0.74, 0.6, 1],
    )
    head.add_camera(name="eye", xyaxes=[0, -1, 0, 0, 0, 1], fovy=FIELD_OF_VIEW)
    hand = head.add_body(name="hand")
    hand.add_joint(name="reach", type=slide, axis=[1, 0, 0], range=[0, REACH], limited=True, armature=0.5)
    # Drawn back, the hand lies before the near plane of the eye's camera and does not show.
    hand.add_geom(
        name="hand",
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=[0.05, 0, 0],
        mass=0.5,
        group=VISIBLE,
        contype=HAND_BITS[0],
        conaffinity=HAND_BITS[1],
        rgba=[0.93, 0.74, 0.6, 1],
    )
    gravity_free = (base, head, hand)
    for body in gravity_free:
        body.gravcomp = 1.0
    for name, gain, force in (("x", 1500.0, 400.0), ("y", 1500.0, 400.0)):
        actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_velocity(kv=gain)
        actuator.forcerange, actuator.forcelimited = [-force, force], True
    # No force limits here: at a limit the integrator drops the damping, and light joints then oscillate.
    for name, stiffness, damping in (("yaw", 900.0, 60.0), ("pitch", 400.0, 20.0), ("reach", 900.0, 50.0)):
        actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_position(kp=stiffness, kv=damping)
