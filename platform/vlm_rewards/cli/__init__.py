"""The console script `vlm-rewards`: what the library can do for pictures, words and environments of one's own.

`python -m vlm_rewards.cli` is the same where the script is not on the path.
"""

from vlm_rewards.cli.commands import main

__all__ = ["main"]
