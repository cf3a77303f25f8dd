"""One module a study, each runnable as `python -m experiments.NAME --help`."""
