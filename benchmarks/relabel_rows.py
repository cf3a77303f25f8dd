"""What relabelling a dataset costs beside the encoder that it feeds."""

import hashlib
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.row import Row, benchmark
from envs.android.captions import random_captioned_screen
from experiments.datasets.rows import SCHEMA, png
from experiments.offline.config import RelabelConfig
from experiments.offline.relabelling import Relabelling
from vlm_rewards.encoders import load_encoder
from vlm_rewards.evaluation.offline.dataset import decode_frames
from vlm_rewards.goals import TaskSet

TASK_SET = "open_common_apps"
# As `experiments.relabel` asks for them.
REQUEST_FRAMES = 256


def write_screens(folder: Path, states: int, size: tuple[int, int]) -> Path:
    """Write a dataset of distinct screens, in trajectories of sixteen.

    Args:
        folder: New.
        states: How many.
        size: (height, width) of the frames.
    """
    goals, seed = TaskSet.named(TASK_SET).goals, 0
    rows: list[dict[str, Any]] = []
    seen: set[bytes] = set()
    while len(rows) < states:
        frame = random_captioned_screen(np.random.default_rng([5, seed]), *size).frame
        seed += 1
        if frame.tobytes() in seen:
            continue
        seen.add(frame.tobytes())
        trajectory, step = divmod(len(rows), 16)
        goal = goals[trajectory % len(goals)]
        rows.append(
            {
                "trajectory": trajectory, "step": step, "family": "open_common_apps", "goal_id": goal.id,
                "instruction": goal.instruction, "subject": goal.subject, "policy": "random", "home_seed": trajectory,
                "action": 0, "reward": 0.0, "goal_achieved": step == 15, "is_success": step == 15, "image": png(frame),
            }
        )  # fmt: skip
    folder.mkdir()
    path = folder / "part-0000.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"config": {"name": "screens"}, "files": files}))
    return folder


@benchmark("relabel", "relabel-small")
def relabel(quick: bool) -> list[Row]:
    """Measure frames a second of a relabelling in process, and of the same encoder on the same frames in memory."""
    return [
        _row("relabel", "pocket-l", 512 if quick else 2048, 2 if quick else 5),
        # The other end: of an encoder this quick, decoding PNG alone takes half as long.
        _row("relabel-small", "pocket-android", 1024 if quick else 4096, 2 if quick else 5),
    ]


def _row(name: str, model: str, states: int, rounds: int) -> Row:
    torch.set_num_threads(1)
    encoder = load_encoder(model)
    rates: dict[str, list[float]] = {"bare": [], "relabel": []}
    cpu: dict[str, list[float]] = {"bare": [], "relabel": []}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        dataset = write_screens(folder / "screens", states, encoder.image_size)
        frames = decode_frames(pq.read_table(dataset / "part-0000.parquet")["image"].to_pylist())
        config = RelabelConfig.model_validate(
            {
                "data": {"dataset": str(dataset), "task_sets": {"open_common_apps": TASK_SET}},
                "reward": {"model": model, "template": "D", "tau": 0.05, "beta": 0.9},
                "served_by": {"kind": "in_process"},
                "request_frames": REQUEST_FRAMES,
            }
        )
        for turn in range(rounds + 1):
            start, spent = time.monotonic(), time.process_time()
            for begin in range(0, states, REQUEST_FRAMES):
                encoder.embed_images(frames[begin : begin + REQUEST_FRAMES])
            bare = states / (time.monotonic() - start), time.process_time() - spent
            work = Relabelling(config, folder / f"out-{turn}")
            spent = time.process_time()
            outcome = work.execute(lambda done, total: None)
            if turn:  # the first one warms up
                rates["bare"].append(bare[0])
                cpu["bare"].append(bare[1])
                rates["relabel"].append(outcome.frames_per_second)
                cpu["relabel"].append(time.process_time() - spent)
    ours, alone = (statistics.median(rates[kind]) for kind in ("relabel", "bare"))
    micro = {kind: statistics.median(times) / states * 1e6 for kind, times in cpu.items()}
    return Row(
        name,
        f"relabel frames/s / bare encoder's on decoded frames, all distinct, {model}, one thread",
        ours / alone,
        0.85,
        ">=",
        note=f"{ours:.0f} and {alone:.0f} frames/s; processor time a frame {micro['relabel']:.0f} and "
        f"{micro['bare']:.0f} us: what is not encoding is decoding PNG, which other threads do",
    )
