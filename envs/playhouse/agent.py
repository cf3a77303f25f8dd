"""The agent's body: walking, turning, looking, and a hand that grabs what it touches.

One environment step is `SUBSTEPS` physics steps (0.2 simulated seconds). Grabbing sends the hand along the gaze
until it touches something; a touched thing is welded to the hand where it was touched and from then on hangs from the
arm through a constraint: it collides, swings and pushes like anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from envs.playhouse.model import HAND_BITS, REACH, SUBSTEPS, TIMESTEP
from envs.playhouse.scene import Scene

#: Walking distance of a full step, metres; turning and nodding of a full step, radians.
STRIDE = 0.25
TURN = np.deg2rad(15.0)
NOD = np.deg2rad(15.0)
#: Range of the gaze, radians above the horizon.
PITCH_RANGE = (float(np.deg2rad(-60.0)), float(np.deg2rad(30.0)))
#: How fast the hand moves out, metres a physics step.
_HAND_SPEED = 0.06
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


@dataclass(frozen=True)
class SavedState:
    """A state of the scene and the agent, to go back to within one episode.

    Attributes:
        physics: float64, MuJoCo's own, controls and grip included.
        held: Slot of the thing in the hand, or None.
        ever_held: Slots that were in the hand in this episode.
        grab_height: As `Agent.grab_height`.
    """

    physics: np.ndarray
    held: int | None
    ever_held: frozenset[int]
    grab_height: float


@dataclass(frozen=True)
class Command:
    """What the agent does for one environment step; each part in [-1, 1].

    Attributes:
        forward: Walk, 1 is `STRIDE` metres ahead.
        turn: 1 is `TURN` to the left.
        look: 1 is `NOD` upwards.
        grip: Above 0.5 grabs, below -0.5 releases.
    """

    forward: float = 0.0
    turn: float = 0.0
    look: float = 0.0
    grip: float = 0.0


class Agent:
    """Moves the agent of one scene.

    Attributes:
        held: Slot of the thing in the hand, or None.
        ever_held: Slots that were in the hand in this episode.
        grab_height: Height of the held thing's lowest corner when it was grabbed, metres.
    """

    def __init__(self, scene: Scene) -> None:
        """Drive the agent of `scene`."""
        model, data = scene.model, scene.data
        self._scene = scene
        self._ctrl = {name: model.actuator(name).id for name in ("x", "y", "yaw", "pitch", "reach")}
        self._qpos = {name: int(model.joint(name).qposadr[0]) for name in ("x", "y", "yaw", "pitch", "reach")}
        self._hand_geom = model.geom("hand").id
        self._hand_body = model.body("hand").id
        self._camera = model.camera("eye").id
        slots = scene.compiled.object_slots
        self._welds = [model.equality(f"hold{i}").id for i in range(slots)]
        self._slot_of_geom = {scene.collision_geom(i): i for i in range(slots)}
        self._data = data
        self.reset()

    def reset(self) -> None:
        """Empty the hand; call after `Scene.load` and before the first command."""
        self.held: int | None = None
        self.ever_held: set[int] = set()
        self.grab_height = 0.0
        self._set_hand_collisions(False)

    @property
    def pose(self) -> tuple[float, float, float, float]:
        """x, y in metres, heading and gaze in radians."""
        x, y, yaw, pitch = (float(self._data.qpos[self._qpos[name]]) for name in ("x", "y", "yaw", "pitch"))
        return x, y, yaw, pitch

    @property
    def eye(self) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) of the eye, and its axes right, up, back as the columns of a (3, 3) matrix."""
        return self._data.cam_xpos[self._camera], self._data.cam_xmat[self._camera].reshape(3, 3)

    def save(self) -> SavedState:
        """Return the present state."""
        physics = np.empty(mujoco.mj_stateSize(self._scene.model, _STATE))
        mujoco.mj_getState(self._scene.model, self._data, physics, _STATE)
        return SavedState(physics, self.held, frozenset(self.ever_held), self.grab_height)

    def restore(self, state: SavedState) -> None:
        """Go back to a state of this episode."""
        mujoco.mj_setState(self._scene.model, self._data, state.physics, _STATE)
        mujoco.mj_forward(self._scene.model, self._data)
        self.held, self.ever_held, self.grab_height = state.held, set(state.ever_held), state.grab_height

    def act(self, command: Command) -> None:
        """Carry out a command for one environment step."""
        ctrl = self._data.ctrl
        if command.grip > 0.5 and self.held is None:
            self._grab()
        elif command.grip < -0.5 and self.held is not None:
            self._release()
        yaw, pitch = self._ctrl["yaw"], self._ctrl["pitch"]
        ctrl[yaw] += TURN * command.turn
        ctrl[pitch] = np.clip(ctrl[pitch] + NOD * command.look, *PITCH_RANGE)
        speed = command.forward * STRIDE / (SUBSTEPS * TIMESTEP)
        # Along the heading at the end of the step: turning and walking together follow the new heading.
        ctrl[self._ctrl["x"]] = speed * np.cos(ctrl[yaw])
        ctrl[self._ctrl["y"]] = speed * np.sin(ctrl[yaw])
        mujoco.mj_step(self._scene.model, self._data, SUBSTEPS)
        # Camera and geom poses of the state that the picture and the ground truth see.
        mujoco.mj_kinematics(self._scene.model, self._data)
        mujoco.mj_camlight(self._scene.model, self._data)

    def _grab(self) -> None:
        """Reach along the gaze; hold the first thing touched, or draw the hand back."""
        model, data = self._scene.model, self._data
        ctrl = data.ctrl
        ctrl[self._ctrl["x"]] = ctrl[self._ctrl["y"]] = 0.0
        self._set_hand_collisions(True)
        reach, target = self._ctrl["reach"], 0.0
        while target < REACH and self.held is None:
            target = min(target + _HAND_SPEED, REACH)
            ctrl[reach] = target
            mujoco.mj_step(model, data)
            touched, blocked = self._contacts()
            if touched is not None:
                self._hold(touched)
            elif blocked:
                break
        if self.held is None:
            ctrl[reach] = 0.0
        self._set_hand_collisions(False)

    def _contacts(self) -> tuple[int | None, bool]:
        """Return the slot of a thing that the hand touches, and whether it touches anything else."""
        contact = self._data.contact
        blocked = False
        for pair in contact.geom:
            if self._hand_geom in pair:
                other = int(pair[0] if pair[1] == self._hand_geom else pair[1])
                if other in self._slot_of_geom:
                    return self._slot_of_geom[other], False
                blocked = True
        return None, blocked

    def _hold(self, slot: int) -> None:
        """Weld the thing to the hand as the two now are."""
        model, data = self._scene.model, self._data
        mujoco.mj_kinematics(model, data)
        body = self._scene.body(slot)
        inverse, relative = np.empty(4), np.empty(4)
        mujoco.mju_negQuat(inverse, data.xquat[self._hand_body])
        mujoco.mju_mulQuat(relative, inverse, data.xquat[body])
        offset = np.empty(3)
        mujoco.mju_rotVecQuat(offset, data.xpos[body] - data.xpos[self._hand_body], inverse)
        weld = self._welds[slot]
        # Weld data: anchor on the thing (3), its pose in the hand's frame (3 + 4), torque scale.
        model.eq_data[weld, :11] = np.concatenate([np.zeros(3), offset, relative, [1.0]])
        data.eq_active[weld] = 1
        data.ctrl[self._ctrl["reach"]] = data.qpos[self._qpos["reach"]]
        self.held = slot
        self.ever_held.add(slot)
        self.grab_height = self._scene.lowest(slot)

    def _release(self) -> None:
        """Let go; the hand draws back."""
        assert self.held is not None
        self._data.eq_active[self._welds[self.held]] = 0
        self._data.ctrl[self._ctrl["reach"]] = 0.0
        self.held = None

    def _set_hand_collisions(self, on: bool) -> None:
        model = self._scene.model
        bits = HAND_BITS if on else (0, 0)
        model.geom_contype[self._hand_geom], model.geom_conaffinity[self._hand_geom] = bits
