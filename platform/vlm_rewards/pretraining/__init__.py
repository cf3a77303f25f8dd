"""Contrastive pretraining of pocket CLIPs on captioned renderings.

The data are images with captions of what they show. No trajectory, reward, goal or instruction ever enters.
"""
