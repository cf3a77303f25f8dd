"""One module a command, each runnable as `python -m experiments.NAME --help`."""
