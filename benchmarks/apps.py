"""Reward applications to measure: emulated accelerators, and a CLIP of full size with random weights."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ray import serve
from ray.serve._private.common import ReplicaState
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

from serve_deployments import gateway
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.goals import Goal, TaskSet
from vlm_rewards.pretraining.tokenizer import make_tokenizer
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import HandleTransport
from vlm_rewards.service.deploying import deploy
from vlm_rewards.service.serving import RewardAppArgs

TASK_SET = TaskSet(
    name="bench", version=1, goals=tuple(Goal(id=f"g{i}", subject=f"S{i}", instruction=f"go {i}") for i in range(8))
)
FAKE = RewardConfig(model="fake", tau=0.1, beta=0.5)


def emulated_args(**changes: Any) -> RewardAppArgs:
    """Return an application whose replicas cost next to nothing; `changes` are fields of `RewardAppArgs`."""
    return RewardAppArgs(**{"reward": FAKE, "task_set": TASK_SET, "num_cpus": 0.1, **changes})


@contextmanager
def deployed(name: str, args: RewardAppArgs, seconds_per_batch: float | None = None) -> Iterator[HandleTransport]:
    """Deploy an application for the time of a measurement.

    Args:
        name: Name of the application.
        args: As for `deploy`.
        seconds_per_batch: Emulates an accelerator that holds this time for every batch; None takes the real encoder.
    """
    encoder = None if seconds_per_batch is None else FakeEncoder(seconds_per_batch=seconds_per_batch)
    deploy(args, name, encoder=encoder)
    try:
        yield HandleTransport(name)
    finally:
        serve.delete(name)


@contextmanager
def http_gateway() -> Iterator[str]:
    """Run Serve with a proxy and the gateway for the duration, and afterwards without; return the gateway's address."""
    serve.shutdown()
    try:
        yield gateway.deploy(gateway.GatewayArgs(refresh_s=0.2), port=8797)
    finally:
        serve.shutdown()
        serve.start(proxy_location="Disabled")


def request(frames: int, size: int = 32, seed: int = 0) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Draw a request: uint8 frames (N, size, size, 3) and N goal ids."""
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 256, (frames, size, size, 3), dtype=np.uint8),
        [TASK_SET.goals[i].id for i in rng.integers(0, len(TASK_SET.goals), frames)],
    )


def fake_scores(frames: npt.NDArray[np.uint8], goal_ids: list[str]) -> npt.NDArray[np.float32]:
    """Return what an emulated application must answer."""
    return RewardModel(FAKE, TASK_SET).score(frames, goal_ids)


def vit_b32(folder: Path) -> Path:
    """Write a CLIP with OpenAI's ViT-B/32 as its image tower, random weights and a small text tower.

    Args:
        folder: To write into; found again if it is there.
    """
    if (folder / "config.json").exists():
        return folder
    with torch.random.fork_rng(), quiet_transformers():
        torch.manual_seed(0)
        tokenizer = make_tokenizer(["go to the goal"], 400, 48)
        ids = {"eos_token_id": tokenizer.sep_token_id, "bos_token_id": tokenizer.cls_token_id, "pad_token_id": 0}
        text = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2, **ids}
        config = CLIPConfig(
            text_config={**text, "vocab_size": len(tokenizer), "max_position_embeddings": 48},
            vision_config={"hidden_size": 768, "num_hidden_layers": 12, "image_size": 224, "patch_size": 32},
        )
        CLIPModel(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        CLIPImageProcessorPil().save_pretrained(folder)
    return folder


class Callers:
    """Threads that call in a loop until told to stop, and count.

    Attributes:
        answered: Calls that came back.
        finished_at: When each did, by `time.monotonic`.
        errors: What the others raised.
    """

    def __init__(self, number: int, call: Callable[[int, int], object]) -> None:
        """Start the threads.

        Args:
            number: Number of threads.
            call: Called with the thread's number and a counter; what it raises is kept in `errors`.
        """
        self.finished_at: list[float] = []
        self.errors: list[Exception] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(index, call), daemon=True) for index in range(number)]
        for thread in self._threads:
            thread.start()

    @property
    def answered(self) -> int:
        """Calls that came back."""
        return len(self.finished_at)

    def stop(self) -> None:
        """Let each thread finish its call, and wait for them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, index: int, call: Callable[[int, int], object]) -> None:
        count = 0
        while not self._stop.is_set():
            try:
                call(index, count)
                self.finished_at.append(time.monotonic())
            except Exception as error:
                self.errors.append(error)
            count += 1


def running_replicas(name: str) -> int:
    """Return how many replicas of an application are ready."""
    application = serve.status().applications.get(name)
    deployments = application.deployments.values() if application else []
    return sum(deployment.replica_states.get(ReplicaState.RUNNING, 0) for deployment in deployments)
