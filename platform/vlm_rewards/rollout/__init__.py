"""From reward probabilities to training episodes: vector env, reward connector, metrics, agent module."""
