"""Domains: the phone (`envs.android`) and the home (`envs.playhouse`)."""
