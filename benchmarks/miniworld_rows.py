"""Steps a second of the Playhouse against MiniWorld's, both drawn off screen at one size in a process of its own."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import env_steps
from benchmarks.peer import Peer
from benchmarks.row import MISSING, Row, benchmark
from vlm_rewards.errors import VLMRewardsError

_ROOT = Path(__file__).resolve().parents[1]
_MINIWORLD = Peer("miniworld", ("miniworld==2.1.0",))
# One room with five things to go to, as Find has it.
_THEIRS = "miniworld:MiniWorld-PickupObjects-v0"
_OURS = "envs.playhouse:playhouse/Find-v0"
# (height, width): MiniWorld's own, and that of our presets.
_SIZES = ((60, 80), (64, 64))


@benchmark("peer-miniworld-80x60", "peer-miniworld-64x64")
def miniworld(quick: bool) -> list[Row]:
    """Measure random steps of both in turns, at both sizes."""
    rounds, seconds = (1, 3.0) if quick else (5, 6.0)
    return [_against_miniworld(height, width, rounds, seconds) for height, width in _SIZES]


def _against_miniworld(height: int, width: int, rounds: int, seconds: float) -> Row:
    name = f"peer-miniworld-{width}x{height}"
    what = f"Playhouse steps/s, one process, random actions, {width}x{height} / MiniWorld's"
    # Mesa's drawing in the process itself, as the Playhouse has it by default.
    headless = _MINIWORLD.environment(PYGLET_HEADLESS="true", LP_NUM_THREADS="0")
    path = os.pathsep.join(str(_ROOT / folder) for folder in (".", "platform"))
    theirs_options = {"obs_height": height, "obs_width": width}
    try:
        python = _MINIWORLD.python()
        _stepped(python, _THEIRS, theirs_options, 0.1, headless)
    except VLMRewardsError as error:
        return Row(name, what, MISSING, 1, ">=", note=str(error))
    ours, theirs = [], []
    for _ in range(rounds):
        options = {"observation_size": [height, width]}
        ours.append(_stepped(Path(sys.executable), _OURS, options, seconds, os.environ | {"PYTHONPATH": path}))
        theirs.append(_stepped(python, _THEIRS, theirs_options, seconds, headless))
    assert ours[0]["shape"] == theirs[0]["shape"] == [height, width, 3]
    costs = {
        what: [statistics.median(turn[what] for turn in turns) for turns in (ours, theirs)]
        for what in ("step_ms", "reset_ms")
    }
    (mine, other), resets = costs["step_ms"], costs["reset_ms"]
    note = (
        f"{1000 / mine:.0f} and {1000 / other:.0f} steps a processor second; a reset, not counted, {resets[0]:.1f} and "
        f"{resets[1]:.1f} ms; MiniWorld-PickupObjects-v0 draws with four samples a pixel"
    )
    return Row(name, what, other / mine, 1, ">=", note=note)


def _stepped(
    python: Path, env_id: str, options: Mapping[str, Any], seconds: float, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Run `env_steps` by a Python, and return what it measured.

    Raises:
        VLMRewardsError: It failed; the message ends as its output did.
    """
    command = [str(python), env_steps.__file__, env_id, json.dumps(options), str(seconds)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60 + 30 * seconds)
    except subprocess.TimeoutExpired:
        raise VLMRewardsError(f"{env_id} did not step here within {60 + 30 * seconds:.0f} s") from None
    if done.returncode:
        raise VLMRewardsError(f"{env_id} does not run here: {done.stderr.strip()[-160:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
