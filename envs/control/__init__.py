"""Classic control with known results, on which an algorithm is checked before it meets a house.

Importing this module registers `control/CartPole-v0`.
"""

import gymnasium as gym

from envs.control.cart_pole import CartPoleEnv

__all__ = ["CartPoleEnv"]

if "control/CartPole-v0" not in gym.registry:
    gym.register(id="control/CartPole-v0", entry_point="envs.control.cart_pole:CartPoleEnv")
