"""Submits a command as a job, with the code and the weights that it needs."""
