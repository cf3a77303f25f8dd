"""One training run from its settings to its proof: the insides of `experiments.train`."""
