"""One relabelling: a dataset goes in, the same with rewards comes out, whatever happens in between."""

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from experiments.offline.config import RelabelConfig
from experiments.offline.rewards import FamilyRewards, load_text_encoder, open_states
from experiments.shared.atomic_files import write_atomically
from vlm_rewards.errors import ConfigError, RewardServiceError
from vlm_rewards.evaluation.offline.dataset import MANIFEST, States, decode_frames
from vlm_rewards.evaluation.offline.embedding_store import state_keys
from vlm_rewards.heads import rewards_of
from vlm_rewards.service import RewardClient
from vlm_rewards.service.served_by import InProcess, connect
from vlm_rewards.tracking import flatten

STATE_FILE = "relabelling.json"


@dataclass(frozen=True)
class Piece:
    """A part of the result: consecutive whole trajectories of one file of the dataset.

    Attributes:
        name: Name of its file.
        source: File of the dataset.
        begin: First row.
        end: Row after the last.
    """

    name: str
    source: Path
    begin: int
    end: int


@dataclass(frozen=True)
class RelabelOutcome:
    """What a relabelling did.

    Attributes:
        states: States in the dataset.
        rewarded: States with a reward above 0.
        encoded: States that were encoded by this call; the others were there already.
        seconds: Seconds of this call, from the first read to the last written file.
    """

    states: int
    rewarded: int
    encoded: int
    seconds: float

    @property
    def frames_per_second(self) -> float:
        """Of this call."""
        return self.encoded / self.seconds if self.encoded else 0.0


class Relabelling:
    """Reads, decodes, embeds, scores and writes side by side.

    Attributes:
        run_id: MLflow's id of the run that was cut off and is continued; None for a new one.
        record: File that says what was made, once it is.
    """

    def __init__(self, config: RelabelConfig, out: Path) -> None:
        """Check everything, before anything is written.

        Args:
            config: The relabelling.
            out: Folder of the result: new, empty, or of the same relabelling that was cut off.

        Raises:
            ConfigError: A dataset, task set or setting that cannot be used, or a folder that holds something else.
            CheckpointError: The model is no usable dual encoder.
            SelfCheckError: The model's weights are not the recorded ones.
        """
        if config.data.limit is not None or config.data.families is not None:
            raise ConfigError("a dataset is relabelled whole; leave data.limit and data.families out")
        self._config, self._out = config, out
        self.record = out / MANIFEST
        if (out / MANIFEST).exists():
            raise ConfigError(f"{out} already holds a dataset; name a new folder, or remove it first")
        if out.resolve() == Path(config.data.dataset).resolve():
            raise ConfigError("the result cannot go into the dataset's own folder; name another")
        self._dataset, self._task_sets = open_states(config.data)
        if isinstance(config.served_by, InProcess):
            # What the encoder leaves free decodes the next frames.
            torch.set_num_threads(config.served_by.torch_threads)
        self._encoder = load_text_encoder(config.reward)
        self._rewards = FamilyRewards(config.reward, self._task_sets, self._encoder)
        self._identity = {
            "source": self._dataset.manifest["files"],
            "reward": {family: model.fingerprint for family, model in self._rewards.models.items()},
            "part_states": config.part_states,
        }
        self.run_id = self._check_folder()

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Hex sha256 of the reward, of each family."""
        return tuple(model.fingerprint for model in self._rewards.models.values())

    def params(self) -> dict[str, Any]:
        """Return what decides the result, for MLflow."""
        return {
            "dataset": self._dataset.name,
            "dataset_fingerprint": self._dataset.fingerprint,
            "states": len(self._dataset.states),
            "out": str(self._out),
            **flatten(self._config.model_dump(mode="json", exclude={"data", "tracking"}, exclude_none=True)),
            "encoder_fingerprint": self._encoder.fingerprint,
            **{f"reward_fingerprint.{family}": value for family, value in self._identity["reward"].items()},
        }

    def execute(self, progress: Callable[[int, int], None], run_id: str | None = None) -> RelabelOutcome:
        """Relabel what is left.

        Args:
            progress: Called with the number of states on disk and the number of all.
            run_id: MLflow's id of this run, kept until it is finished.

        Raises:
            VLMRewardsError: The service failed for good; what was written stays, and a later call continues.
        """
        self._out.mkdir(parents=True, exist_ok=True)
        write_atomically(self._out / STATE_FILE, json.dumps({"identity": self._identity, "run_id": run_id}))
        for stale in self._out.glob(".*.partial"):
            stale.unlink()
        pieces = list(self._pieces())
        left = [piece for piece in pieces if not self._is_done(piece)]
        encoded = sum(piece.end - piece.begin for piece in left)
        done = len(self._dataset.states) - encoded
        progress(done, len(self._dataset.states))
        start = time.monotonic()
        if left:
            family, task_set = next(iter(self._task_sets.items()))
            reward = self._rewards.models[family].config
            with connect(self._config.served_by, reward, task_set, encoder=self._encoder) as client:
                start = time.monotonic()
                for piece in self._relabel(left, client):
                    done += piece.end - piece.begin
                    progress(done, len(self._dataset.states))
        seconds = time.monotonic() - start
        rewarded = self._finish(pieces)
        return RelabelOutcome(len(self._dataset.states), rewarded, encoded, seconds)

    def _relabel(self, pieces: list[Piece], client: RewardClient) -> Iterator[Piece]:
        """Yield pieces in order as their files are on disk.

        Requests of the next piece are under way while one is scored and written, so that the encoder never waits.
        """
        readers = self._config.served_by.max_in_flight
        with ThreadPoolExecutor(readers, "relabel-embed") as embed, ThreadPoolExecutor(1, "relabel-write") as write:
            # Lazily: what is read but not yet encoded is bounded by the deque.
            under_way: deque[tuple[Piece, Future[None]]] = deque()
            waiting: deque[Future[Any]] = deque()
            try:
                for piece in pieces:
                    table = _file(piece.source).slice(piece.begin, piece.end - piece.begin)
                    answers = []
                    for begin in range(0, len(table), self._config.request_frames):
                        while len(waiting) >= 2 * readers:
                            waiting.popleft().result()
                        chunk = table["image"].slice(begin, self._config.request_frames)
                        answers.append(embed.submit(self._embed, client, chunk))
                        waiting.append(answers[-1])
                    under_way.append((piece, write.submit(self._score_and_write, piece, table, answers)))
                    while under_way and under_way[0][1].done():
                        yield _finished(under_way)
                while under_way:
                    yield _finished(under_way)
            except BaseException:
                for future in waiting:
                    future.cancel()
                raise

    def _embed(self, client: RewardClient, images: pa.ChunkedArray) -> npt.NDArray[np.float32]:
        answer = client.embed(decode_frames(images.to_pylist()))
        if answer.fingerprint != self._encoder.fingerprint:
            raise RewardServiceError(
                f"the service answered with embeddings of encoder {answer.fingerprint[:12]}, the prompts were embedded "
                f"by {self._encoder.fingerprint[:12]}; give both one model, precision and encoder"
            )
        return answer.embeddings

    def _score_and_write(self, piece: Piece, table: pa.Table, answers: list[Future[Any]]) -> None:
        images = np.concatenate([answer.result() for answer in answers])
        trajectory, step = (table[name].to_numpy().astype(np.int64) for name in ("trajectory", "step"))
        states = States(
            trajectory,
            step,
            np.asarray(table["family"].to_pylist(), object),
            np.asarray(table["goal_id"].to_pylist(), object),
            None,
            table["goal_achieved"].to_numpy().astype(bool),
        )
        scores = self._rewards.score(states, images)
        head = self._config.reward.head
        rewards = rewards_of(head.terminates, scores, self._config.reward.beta)
        table = table.append_column("vlm_score", pa.array(scores)).append_column("vlm_reward", pa.array(rewards))
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="none")
        write_atomically(self._out / piece.name, buffer.getvalue())

    def _pieces(self) -> Iterator[Piece]:
        """Divide the dataset's files; the same every time, so that a later call knows what is missing."""
        for number, path in enumerate(self._dataset.files):
            trajectory = pq.read_table(path, columns=["trajectory"])["trajectory"].to_numpy()
            ends = [*(np.flatnonzero(np.diff(trajectory)) + 1).tolist(), len(trajectory)]
            begin = 0
            for end in ends:
                if end - begin >= self._config.part_states or end == len(trajectory):
                    if end > begin:
                        yield Piece(f"part-{number:04d}-{begin:07d}.parquet", path, begin, end)
                    begin = end

    def _is_done(self, piece: Piece) -> bool:
        path = self._out / piece.name
        try:
            return bool(pq.read_metadata(path).num_rows == piece.end - piece.begin)
        except (pa.ArrowException, OSError):  # not there, or no whole one: it is made again
            return False

    def _finish(self, pieces: list[Piece]) -> int:
        """Check that every state is there once, and write the manifest.

        Returns:
            How many states are rewarded.
        """
        files, keys, rewarded = {}, [], 0
        for piece in pieces:
            data = (self._out / piece.name).read_bytes()
            files[piece.name] = hashlib.sha256(data).hexdigest()
            table = pq.read_table(pa.BufferReader(data), columns=["trajectory", "step", "vlm_reward"])
            keys.append(state_keys(table["trajectory"].to_numpy(), table["step"].to_numpy()))
            rewarded += int((table["vlm_reward"].to_numpy() > 0).sum())
        found = np.sort(np.concatenate(keys))
        expected = np.sort(state_keys(self._dataset.states.trajectory, self._dataset.states.step))
        if not np.array_equal(found, expected):
            raise RewardServiceError(f"{self._out} does not hold every state once; remove it and relabel again")
        manifest = {
            **self._dataset.manifest,
            "files": files,
            "relabelled": {
                "reward": self._config.reward.model_dump(mode="json", exclude_unset=True),
                "fingerprints": self._identity["reward"],
                "encoder_fingerprint": self._encoder.fingerprint,
                "source_files": self._identity["source"],
                "rewarded": rewarded,
            },
        }
        write_atomically(self._out / MANIFEST, json.dumps(manifest, indent=2) + "\n")
        (self._out / STATE_FILE).unlink()
        return rewarded

    def _check_folder(self) -> str | None:
        """Refuse a folder with anything but this relabelling in it, and return the id of its MLflow run."""
        state = self._out / STATE_FILE
        if state.is_file():
            try:
                found = json.loads(state.read_text())
                identity, run_id = found["identity"], found["run_id"]
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise ConfigError(f"{state} is damaged; remove {self._out} and relabel again") from error
            if identity != self._identity:
                raise ConfigError(
                    f"{self._out} holds an unfinished relabelling of another dataset or with another reward; "
                    "name a new folder, or remove it first"
                )
            return str(run_id) if run_id is not None else None
        if self._out.exists() and any(self._out.iterdir()):
            raise ConfigError(f"{self._out} is not empty and no unfinished relabelling; name a new folder")
        return None


def _finished(under_way: deque[tuple[Piece, "Future[None]"]]) -> Piece:
    piece, future = under_way.popleft()
    future.result()
    return piece


@lru_cache(maxsize=1)
def _file(path: Path) -> pa.Table:
    """Read a file of the dataset, and keep the last one: pieces come in order."""
    return pq.read_table(path)
