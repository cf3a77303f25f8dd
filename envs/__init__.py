"""Domains: the phone (`envs.android`), the home (`envs.playhouse`), and tasks with known results (`envs.control`)."""
