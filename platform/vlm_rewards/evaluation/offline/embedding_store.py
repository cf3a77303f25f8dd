"""Embeddings of a dataset's frames on disk: each frame is encoded once per model, whatever is asked of it later."""

import hashlib
import json
import uuid
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from vlm_rewards.errors import ConfigError, RewardServiceError
from vlm_rewards.evaluation.offline.dataset import States
from vlm_rewards.whole_files import written_whole


def state_keys(trajectory: np.ndarray, step: np.ndarray) -> npt.NDArray[np.int64]:
    """Return one number a state, int64 (N,), that orders states by trajectory and step."""
    return np.asarray(trajectory, np.int64) << 32 | np.asarray(step, np.int64)


class EmbeddingStore:
    """A folder of Parquet files, each of which is complete: it is written under another name and renamed.

    A store belongs to one dataset (its files) and one encoder (its fingerprint). A run that was killed leaves what it
    had written, and a later one encodes the rest.

    Attributes:
        folder: Where it is.
        encoder_fingerprint: Fingerprint of the encoder.
    """

    def __init__(
        self, parent: Path, encoder_fingerprint: str, dataset_files: dict[str, str], rows_per_file: int = 4096
    ) -> None:
        """Open or make a store.

        Args:
            parent: Folder of all stores.
            encoder_fingerprint: Fingerprint of the encoder whose embeddings it holds.
            dataset_files: Checksums of the dataset's files by name.
            rows_per_file: Embeddings in one file: the most that a kill can cost.
        """
        digest = _digest(dataset_files)
        self.encoder_fingerprint = encoder_fingerprint
        self.folder = parent / f"{encoder_fingerprint[:16]}-{digest[:16]}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._rows_per_file = rows_per_file
        self._pending: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]] = []

    def add(self, keys: npt.NDArray[np.int64], embeddings: npt.NDArray[np.float32], fingerprint: str) -> None:
        """Take embeddings in, and writes a file when there are enough.

        Args:
            keys: int64 (n,), of `state_keys`.
            embeddings: float32 (n, D), rows of length 1.
            fingerprint: Fingerprint of the encoder that computed them.

        Raises:
            RewardServiceError: They are from another encoder than the store's.
        """
        if fingerprint != self.encoder_fingerprint:
            raise RewardServiceError(
                f"the service answered with embeddings of encoder {fingerprint[:12]}, the prompts were embedded by "
                f"{self.encoder_fingerprint[:12]}; give both one model, precision and encoder"
            )
        self._pending.append((np.asarray(keys, np.int64), np.asarray(embeddings, np.float32)))
        if sum(len(rows) for rows, _ in self._pending) >= self._rows_per_file:
            self.flush()

    def flush(self) -> None:
        """Write what has been taken in."""
        if not self._pending:
            return
        keys = np.concatenate([rows for rows, _ in self._pending])
        values = np.concatenate([values for _, values in self._pending])
        table = pa.table(
            {"state": keys, "embedding": pa.FixedSizeListArray.from_arrays(values.ravel(), values.shape[1])}
        )
        # A name of its own: two studies may fill one store side by side.
        name = f"embeddings-{uuid.uuid4().hex}.parquet"
        with written_whole(self.folder / name) as partial:
            pq.write_table(table, partial, compression="none", write_page_checksum=True)
        self._pending.clear()

    def known(self) -> npt.NDArray[np.int64]:
        """Return the keys of the states on disk, sorted int64 (M,).

        Raises:
            ConfigError: A file is damaged.
        """
        tables = [_read(path, ["state"]) for path in sorted(self.folder.glob("embeddings-*.parquet"))]
        if not tables:
            return np.zeros(0, np.int64)
        return np.unique(pa.concat_tables(tables)["state"].to_numpy())

    def missing(self, states: States) -> npt.NDArray[np.int64]:
        """Return the keys of `states` that are not on disk, sorted int64 (M,)."""
        return np.setdiff1d(state_keys(states.trajectory, states.step), self.known())

    def load(self, states: States) -> npt.NDArray[np.float32]:
        """Return the embeddings of `states` in their order, float32 (N, D), rows of length 1.

        Raises:
            ConfigError: A file is damaged.
            RewardServiceError: One is not there.
        """
        wanted = state_keys(states.trajectory, states.step)
        found: npt.NDArray[np.float32] | None = None
        filled = np.zeros(len(wanted), bool)
        order = np.argsort(wanted)
        for path in sorted(self.folder.glob("embeddings-*.parquet")):
            table = _read(path, ["state", "embedding"])
            keys = table["state"].to_numpy()
            column = table["embedding"].combine_chunks()
            values = column.flatten().to_numpy().reshape(len(keys), -1)
            place = np.searchsorted(wanted, keys, sorter=order)
            hit = place < len(wanted)
            hit[hit] = wanted[order[place[hit]]] == keys[hit]
            if found is None:
                found = np.zeros((len(wanted), values.shape[1]), np.float32)
            rows = order[place[hit]]
            found[rows], filled[rows] = values[hit], True
        if found is None or not filled.all():
            raise RewardServiceError(
                f"{int((~filled).sum())} of {len(wanted)} states have no embedding in {self.folder}; run it again"
            )
        return found


def _read(path: Path, columns: list[str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{path} is damaged; delete it, and its frames are embedded once more") from error


def _digest(dataset_files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(dataset_files, sort_keys=True).encode()).hexdigest()
