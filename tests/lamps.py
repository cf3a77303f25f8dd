"""A task set of two goals, and a reward for it, that the fake encoder tells apart."""

from vlm_rewards.goals import Goal, NegativesSpec, TaskSet
from vlm_rewards.reward_config import RewardConfig

LAMPS = TaskSet(
    name="lamps",
    version=1,
    goals=(
        Goal(id="lit", subject="the lamp on", instruction="switch it on"),
        Goal(id="red", subject="a red lamp", instruction="make it red"),
    ),
    unachieved_captions=("a dark room",),
)
LAMP_REWARD = RewardConfig(
    model="fake", template="a photo of [TASK]", negatives=NegativesSpec(kind="goals_and_states"), tau=0.1, beta=0.6
)
