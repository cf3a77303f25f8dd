"""Zero-shot accuracy: models name pictures. The insides of `experiments.zero_shot`."""
