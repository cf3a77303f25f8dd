"""Rewards as folders, and on the Hugging Face Hub: by whom they were made and measured, to be had by a name.

A saved reward holds words and numbers. Its weights are named, and proven by their hashes when they are loaded; a model
that is nowhere but in a folder travels along. Nothing in it is pickled, and nothing in it is run.
"""
