"""The insides of `experiments.predictors`: which offline measure of a reward predicts the agent that it trains."""
