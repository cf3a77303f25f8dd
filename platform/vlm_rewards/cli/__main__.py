"""The console script, for `python -m`."""

from vlm_rewards.cli import main

main()
