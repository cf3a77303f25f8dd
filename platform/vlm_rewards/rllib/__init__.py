"""RLlib with rewards from a model: connectors, env runners, the agent's networks, learners, metrics, health."""
