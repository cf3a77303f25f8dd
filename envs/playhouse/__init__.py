"""A procedurally generated home in MuJoCo with Find, Lift, and Pick and Place.

Importing this module registers `playhouse/Find-v0`, `playhouse/Lift-v0` and `playhouse/PickPlace-v0`.
"""

import gymnasium as gym
from gymnasium.envs.registration import WrapperSpec

from envs.playhouse.renderer import live_contexts  # First: chooses MUJOCO_GL before MuJoCo is imported.

from envs.playhouse.env import PlayhouseEnv  # isort: skip

__all__ = ["PlayhouseEnv", "live_contexts"]

for _name, _family in (("Find", "find"), ("Lift", "lift"), ("PickPlace", "pick_place")):
    if f"playhouse/{_name}-v0" not in gym.registry:
        gym.register(
            id=f"playhouse/{_name}-v0",
            entry_point="envs.playhouse.env:PlayhouseEnv",
            kwargs={"family": _family},
            additional_wrappers=(WrapperSpec("OneTimeLimit", "envs.playhouse.time_limit:OneTimeLimit", {}),),
        )
