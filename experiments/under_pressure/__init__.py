"""The insides of `experiments.pressure`: searches against a frozen reward, and what becomes of the truth."""
