"""Embedding a dataset's frames through the reward service, with Ray Data."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.offline.config import OfflineConfig
from vlm_rewards.encoders import Encoder
from vlm_rewards.evaluation.offline import LabelledDataset
from vlm_rewards.evaluation.offline.dataset import decode_frames
from vlm_rewards.evaluation.offline.embedding_store import EmbeddingStore, state_keys
from vlm_rewards.service import RewardClient

Progress = Callable[[int, int], None]

# CPUs of Ray for what reads and decodes beside the replicas.
READER_CPUS = 2.0
# Frames that are decoded and embedded at a time where no service does it.
_FRAMES_AT_A_TIME = 256


def embed_states(
    dataset: LabelledDataset,
    store: EmbeddingStore,
    client: RewardClient,
    config: OfflineConfig,
    progress: Progress,
) -> int:
    """Embed every frame of a dataset that the store does not have yet.

    Args:
        dataset: The frames.
        store: Takes the embeddings, a file at a time.
        client: Client of the service that embeds.
        config: Frames a request, and how many are under way. Where the service is Ray's, Ray Data reads and decodes in
            processes of its own.
        progress: Called with the number of states embedded and the number of all.

    Returns:
        How many frames were embedded now.

    Raises:
        VLMRewardsError: The service failed for good; what was embedded until then is kept.
    """
    missing = store.missing(dataset.states)
    total = len(dataset.states)
    progress(total - len(missing), total)
    if not len(missing):
        return 0
    done = 0
    batches = _with_ray_data if config.served_by.uses_ray else _here
    try:
        for keys, embeddings, fingerprint in batches(dataset, missing, client, config):
            store.add(keys, embeddings, fingerprint)
            done += len(keys)
            progress(total - len(missing) + done, total)
    finally:
        store.flush()
    return done


def embedded(dataset: LabelledDataset, encoder: Encoder) -> npt.NDArray[np.float32]:
    """Return the embeddings of a dataset's states in their order, float32 (N, D), computed here and kept nowhere."""
    parts, order = [], []
    for batch in dataset.batches(_FRAMES_AT_A_TIME):
        parts.append(encoder.embed_images(decode_frames(batch["image"])))
        order.append(state_keys(batch["trajectory"], batch["step"]))
    return np.concatenate(parts)[np.argsort(np.concatenate(order))]


Answers = Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], str]]


def _here(
    dataset: LabelledDataset, missing: npt.NDArray[np.int64], client: RewardClient, config: OfflineConfig
) -> Answers:
    for batch in dataset.batches(config.request_frames):
        keys = state_keys(batch["trajectory"], batch["step"])
        rows = np.isin(keys, missing)
        if rows.any():
            answer = client.embed(decode_frames(batch["image"][rows]))
            yield keys[rows], answer.embeddings, answer.fingerprint


def _with_ray_data(
    dataset: LabelledDataset, missing: npt.NDArray[np.int64], client: RewardClient, config: OfflineConfig
) -> Answers:
    import ray
    import ray.data

    # What a person watches is our own bar.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    wanted = ray.put(missing)
    keep_wanted: Any = _keep_wanted  # Ray wants a function of one argument, and gives the others of fn_args
    states = (
        ray.data.read_parquet([str(path) for path in dataset.files], columns=["trajectory", "step", "image"])
        .map_batches(keep_wanted, fn_args=(wanted,), batch_size=None, num_cpus=0.1)
        .map_batches(
            _Embedder,
            fn_constructor_args=(client,),
            batch_size=config.request_frames,
            # Little is reserved for readers: most of the time they wait for an answer.
            num_cpus=0.1,
            concurrency=config.served_by.max_in_flight,
        )
    )
    try:
        for batch in states.iter_batches(batch_size=None, prefetch_batches=0):
            if len(batch["state"]):
                yield batch["state"], batch["embedding"], str(batch["fingerprint"][0])
    except ray.exceptions.RayTaskError as error:
        raise _own_error(error) from None


def _keep_wanted(batch: dict[str, np.ndarray], wanted: Any) -> dict[str, np.ndarray]:
    import ray

    wanted = ray.get(wanted) if isinstance(wanted, ray.ObjectRef) else wanted
    keys = state_keys(batch["trajectory"], batch["step"])
    rows = np.isin(keys, wanted)
    return {"state": keys[rows], "image": batch["image"][rows]}


class _Embedder:
    """Decodes frames and asks the service, in a process of Ray Data's."""

    def __init__(self, client: RewardClient) -> None:
        self._client = client

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if not len(batch["state"]):
            return {
                "state": batch["state"],
                "embedding": np.zeros((0, 1), np.float32),
                "fingerprint": np.array([], str),
            }
        answer = self._client.embed(decode_frames(batch["image"]))
        return {
            "state": batch["state"],
            "embedding": answer.embeddings,
            "fingerprint": np.repeat(answer.fingerprint, len(batch["state"])),
        }


def _own_error(error: Any) -> BaseException:
    """Return the library's error inside one of Ray's, where there is one."""
    from vlm_rewards.errors import RewardServiceError, VLMRewardsError

    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, VLMRewardsError):
            return getattr(inner, "cause", inner)
        inner = getattr(inner, "cause", None) or inner.__cause__
    return RewardServiceError(f"reading the dataset failed: {' '.join(str(error).split())[-300:]}")


def store_folder(output: Path) -> Path:
    """Return where the embeddings of all runs below an output folder are kept."""
    return output / "embeddings"
