"""Labelled frames a second over HTTP against infinity-emb, which serves the same CLIP to the same callers."""

import base64
import contextlib
import io
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import numpy.typing as npt
import psutil
import torch
from PIL import Image

from benchmarks.apps import TASK_SET, Callers, deployed, emulated_args, http_gateway, vit_b32
from benchmarks.peer import Peer, PeerMissingError
from benchmarks.processor_time import ProcessorTime
from benchmarks.row import MISSING, Row, benchmark
from envs.registry import make_env
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import HttpTransport, RewardClient

_BATCH, _CALLERS, _PORT = 16, 4, 8796
# Its releases want transformers below 5 and NumPy below 2, ours the other way round. Its extra [vision] brings
# torchvision for models that are no CLIPs; pictures alone need two of its packages.
_INFINITY = Peer(
    "infinity",
    (
        f"torch=={torch.__version__.partition('+')[0]}",
        "infinity-emb[torch,server]==0.0.78",
        "transformers<5",
        "pillow",
        "aiohttp",
    ),
)
# torch.compile takes half a minute here, and longer on busy cores.
_START_S = 300.0


@benchmark("peer-infinity", needs_ray=True)
def infinity(quick: bool) -> list[Row]:
    """Measure our gateway on Ray Serve and infinity as it comes, in turns, both with one thread for the model."""
    what = f"labelled frames/s over HTTP / infinity-emb's, ViT-B/32, {_CALLERS} callers, {_BATCH} frames a request"
    rounds, seconds = (1, 10.0) if quick else (3, 30.0)
    try:
        ours, theirs = _in_turns(_INFINITY.python(), rounds, seconds)
    except PeerMissingError as error:
        return [Row("peer-infinity", what, MISSING, 1, ">=", note=str(error))]
    note = (
        f"{ours[0]:.1f} and {theirs[0]:.1f} frames/s, {ours[1]:.0f} and {theirs[1]:.0f} processor ms a frame with its "
        "callers; fp32 and one thread for either model"
    )
    return [Row("peer-infinity", what, ours[0] / theirs[0], 1, ">=", note=note)]


def _in_turns(python: Path, rounds: int, seconds: float) -> list[tuple[float, float]]:
    """Return frames a second and processor milliseconds a frame, medians: ours, and infinity's.

    Raises:
        PeerMissingError: Infinity does not start.
        VLMRewardsError: The two do not answer the same.
    """
    batches = _pictures(8)
    goal_ids = [TASK_SET.goals[i % len(TASK_SET.goals)].id for i in range(_BATCH)]
    with contextlib.ExitStack() as running:
        model = vit_b32(Path(running.enter_context(tempfile.TemporaryDirectory())) / "vit")
        _readable_by_transformers_4(model)
        server = running.enter_context(_served_by_infinity(python, model))
        reward = RewardConfig(model=str(model), tau=0.1, beta=0.5, precision="fp32")
        args = emulated_args(reward=reward, num_cpus=1, torch_threads=1, max_batch_frames=_BATCH, max_wait_s=600)
        url = running.enter_context(http_gateway())
        running.enter_context(deployed("bench-infinity", args))
        client = RewardClient(HttpTransport(url, "bench-infinity"), timeout_s=120, deadline_s=240)
        connection = running.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{_PORT}", timeout=240))
        bare = RewardModel(reward, TASK_SET)

        def by_infinity(frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
            return bare.score_embeddings(_embedded(connection, frames), goal_ids)

        ways: tuple[Callable[..., Any], ...] = (client.score, by_infinity)
        apart = float(np.abs(client.score(batches[0], goal_ids).scores - by_infinity(batches[0], goal_ids)).max())
        if apart > 1e-3:
            raise VLMRewardsError(f"infinity's probabilities differ from ours by {apart:.3g}; compare equal models")
        found: tuple[list[tuple[float, float]], ...] = ([], [])
        for _ in range(rounds):
            for score, turns in zip(ways, found, strict=True):
                # This process started both servers: what the idle one used meanwhile is the other's.
                spent, of_infinity = ProcessorTime(), ProcessorTime(server)
                rate, frames = _saturated(score, batches, goal_ids, seconds)
                used = spent.seconds() - (of_infinity.seconds() if turns is found[0] else 0.0)
                turns.append((rate, 1000 * used / frames))
    return [(statistics.median(rate for rate, _ in turns), statistics.median(ms for _, ms in turns)) for turns in found]


def _pictures(batches: int) -> list[npt.NDArray[np.uint8]]:
    """Walk through a home at random; return its distinct pictures, uint8 (16, 224, 224, 3) each."""
    env = make_env("playhouse/Find-v0", reward_size=(224, 224))
    picture = env.get_wrapper_attr("reward_frame")
    seen: dict[bytes, npt.NDArray[np.uint8]] = {}
    env.action_space.seed(0)
    env.reset(seed=0)
    while len(seen) < batches * _BATCH:
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
        frame = picture()
        seen[frame.tobytes()] = frame
    env.close()
    return list(np.stack(list(seen.values())).reshape(batches, _BATCH, 224, 224, 3))


def _readable_by_transformers_4(model: Path) -> None:
    """Rename a folder's tokenizer class as older releases call it; weights and tokens stay."""
    file = model / "tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(settings | {"tokenizer_class": "PreTrainedTokenizerFast"}), encoding="utf-8")


@contextlib.contextmanager
def _served_by_infinity(python: Path, model: Path) -> Iterator[psutil.Process]:
    """Serve a folder by infinity for the duration, with its own defaults but for the device and the batch.

    Raises:
        PeerMissingError: It does not start here.
    """
    command = [
        str(python.parent / "infinity_emb"),
        "v2",
        "--model-id",
        str(model),
        "--served-model-name",
        "clip",
        "--device",
        "cpu",
    ]
    command += ["--batch-size", str(_BATCH), "--host", "127.0.0.1", "--port", str(_PORT), "--log-level", "warning"]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, env=_INFINITY.environment(), stdout=log, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + _START_S
            while not _answers():
                if server.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise PeerMissingError(f"infinity does not start here: {log.read().strip()[-160:]}")
                time.sleep(0.5)
            yield psutil.Process(server.pid)
        finally:
            server.terminate()
            server.wait(30)


def _answers() -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return httpx2.get(f"http://127.0.0.1:{_PORT}/health").is_success
    return False


def _embedded(client: httpx2.Client, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Ask infinity for embeddings in its own tongue: pictures as PNG in data URIs, float32 as base64."""
    pictures = []
    for frame in frames:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "png", compress_level=1)
        pictures.append("data:image/png;base64," + base64.b64encode(file.getvalue()).decode())
    asked = {"model": "clip", "modality": "image", "encoding_format": "base64", "input": pictures}
    found = client.post("/embeddings", json=asked).raise_for_status().json()["data"]
    return np.stack([np.frombuffer(base64.b64decode(one["embedding"]), np.float32) for one in found])


def _saturated(
    score: Callable[..., Any], batches: list[npt.NDArray[np.uint8]], goal_ids: list[str], seconds: float
) -> tuple[float, int]:
    """Let callers ask without a pause; return frames a second, and how many were answered."""
    callers = Callers(
        _CALLERS, lambda index, count: score(batches[(index + _CALLERS * count) % len(batches)], goal_ids)
    )
    time.sleep(seconds)
    callers.stop()
    if callers.errors:
        raise callers.errors[0]
    # Whole calls from the first to the last, as in `served-throughput`.
    ends = callers.finished_at
    return (len(ends) - 1) * _BATCH / (ends[-1] - ends[0]), callers.answered * _BATCH
