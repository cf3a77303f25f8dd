"""Another program on the cluster of a running study: asks the study's reward while it trains.

python job_client.py FOLDER

The folder has the frames, `frames.npy`, and gets `asks.json`, with their goals and the application's name, once the
study serves it.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from experiments.shared.ray_session import ray_session
from vlm_rewards.errors import ConfigError
from vlm_rewards.service import HandleTransport, RewardClient


def too_few():
    """What a study that needs more than the cluster has is told."""
    try:
        with ray_session(64):
            return "nothing"
    except ConfigError as error:
        return str(error)


def main():
    """Print what was seen as JSON."""
    folder = Path(sys.argv[1])
    seen = {"too_few": too_few()}
    with ray_session(1):
        while not (folder / "asks.json").exists():
            time.sleep(0.1)
        asks = json.loads((folder / "asks.json").read_text())
        transport = HandleTransport(asks["app"])
        reward = RewardClient(transport)
        seen["served"] = reward.score(np.load(folder / "frames.npy"), asks["goals"]).scores.tolist()
        seen["fingerprint"] = reward.describe().fingerprint
        seen["replica_folder"] = str(Path(f"/proc/{transport.replica_info(20.0).pid}/cwd").readlink())
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
