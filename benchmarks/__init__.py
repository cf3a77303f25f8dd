"""Speed, scaling and survival of the reward service as ratios, each measured side by side in one run."""
