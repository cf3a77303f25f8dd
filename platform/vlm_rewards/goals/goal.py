"""A language goal."""

from pydantic import Field

from vlm_rewards.strict_config import StrictConfig


class Goal(StrictConfig):
    """What an agent is asked to reach, fixed for one episode.

    Attributes:
        id: Short name used in requests, metrics and files, such as `gmail`.
        subject: The words that fill [TASK] of a prompt template, such as `Gmail`.
        instruction: What the policy is told, such as `open Gmail`. The reward model never sees it.
    """

    id: str = Field(min_length=1, max_length=100)
    subject: str = Field(min_length=1, max_length=500)
    instruction: str = Field(min_length=1, max_length=500)
