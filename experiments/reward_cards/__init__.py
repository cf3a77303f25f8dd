"""Pages that say what a shipped reward is worth: the insides of `experiments.reward_card`."""
