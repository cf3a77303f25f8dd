"""Trajectories of both domains as labelled rows: the insides of `experiments.collect`."""
