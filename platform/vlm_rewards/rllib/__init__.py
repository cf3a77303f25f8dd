"""RLlib with rewards from a model: connectors, env runners, the agent's networks, learners, metrics, health."""

from vlm_rewards.extras import needs_extra

with needs_extra("rllib"):
    import ray  # noqa: F401
    import tree  # noqa: F401
