"""Recordings of the coloured grid, whose reward can be made to see what is not there."""

from functools import partial

import numpy as np

from tests.vlm_rewards.environment.grid_env import ENCODER, STAY, TASKS, ColouredGridEnv, grid_reward_model
from vlm_rewards.evaluation import run_episodes
from vlm_rewards.evaluation.episodes import plan_episodes
from vlm_rewards.evaluation.recording import EpisodeRecorder, Recording, StateScorer

NAMES = (*(f"tap_{row}_{column}" for row in range(4) for column in range(4)), "stay_here")


class GoalGridEnv(ColouredGridEnv):
    """The grid with the goal that is asked for, and names for its actions."""

    action_names = NAMES

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.goal_id = options["goal_id"]
        return self._observation(), self._info()


class Wanderer:
    """Stays a step, then jumps about by its episode's seed."""

    def start(self, slots, seeds):
        self.generators = getattr(self, "generators", {}) | {
            slot: np.random.default_rng(seed) for slot, seed in zip(slots, seeds, strict=True)
        }
        self.begun = getattr(self, "begun", set()) - set(slots)

    def act(self, observations, slots):
        assert set(observations) == {"image", "goal"}, "nothing of the truth"
        chosen = [int(self.generators[slot].integers(STAY)) if slot in self.begun else STAY for slot in slots]
        self.begun |= set(slots)
        return np.array(chosen)


def grid_scorer() -> StateScorer:
    return StateScorer(grid_reward_model().config, TASKS, ENCODER)


def grid_recorder(scorer=None, most_episodes=300, most_bytes=14_000_000) -> EpisodeRecorder:
    return EpisodeRecorder(
        name="grid",
        kind="evaluation",
        scorer=scorer,
        family=TASKS.name,
        instruction=lambda goal_id: TASKS.goal(goal_id).instruction,
        most_episodes=most_episodes,
        most_bytes=most_bytes,
    )


def play(episodes: int, recorder: EpisodeRecorder | None, blind: float = 0.0, num_envs: int = 5) -> list:
    specs = plan_episodes([goal.id for goal in TASKS.goals], episodes, 1000)
    return run_episodes(partial(GoalGridEnv, blind=blind), Wanderer(), specs, num_envs, watcher=recorder)


def grid_recording(episodes: int = 24, blind: float = 0.3, **bounds) -> Recording:
    """Episodes of an agent that is often paid for what is not so."""
    recorder = grid_recorder(grid_scorer(), **bounds)
    play(episodes, recorder, blind)
    return recorder.recording(total=episodes)
