"""Which frames a small model may refuse for a large one: the insides of `experiments.cascade`."""
