"""What an environment must offer so that its reward can come from pictures."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt


@runtime_checkable
class RewardableEnv(Protocol):
    """A `gymnasium.Env` whose state can be drawn a second time, for the reward model.

    The observation space is `Dict(image=Box uint8 (H, W, 3), goal=Box int64 (GOAL_LENGTH,))`, the goal's tokens by
    `vlm_rewards.environment.goal_tokens.tokenize`. The env's own reward is the ground truth: 1.0 in the step in which
    the goal is first reached, else 0; where the goal is a state to keep, as in `control/CartPole-v0`, it is the task's
    own. `reset` and `step` return infos with

    - `is_success` (bool): the goal has been reached by now in this episode,
    - `goal_achieved` (bool): the goal holds in this very state,
    - `goal_id` (str): the goal of this episode.

    The constructor takes `terminate_on_success: bool`. Training on a reward model passes False, so that ground truth
    never ends a training episode; timeouts truncate.

    Two more methods are optional, looked up by name: `not_yet_captions(goal_id)` returns captions of states on the way
    to a goal, which teach the agent's eye beside the goal's own; `achieved_goals()` returns the ids of all goals that
    hold in the present state, for hindsight of an agent that trains on the environment's own reward.

    Attributes:
        goal_id: Id of the current episode's goal, in the reward model's task set.
    """

    goal_id: str

    def reward_frame(self) -> npt.NDArray[np.uint8]:
        """Draw the current state for the reward model.

        Returns:
            uint8 (h, w, 3); the size is the env's choice and need not be the observation's.
        """
        ...

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode, as `gymnasium.Env.reset` does."""
        ...

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one step, as `gymnasium.Env.step` does."""
        ...
