"""What a benchmark has found so far, in its run's folder: what is there is not computed again."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments.offline.report import plain_name
from experiments.shared.atomic_files import write_atomically
from experiments.under_pressure.levels import Level


class FoundLevels:
    """Levels of each reward and search, a file each."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`, which is made."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> list[Level] | None:
        """Return the levels of a reward and search; None where they are not known yet."""
        path = self._path(key)
        if not path.is_file():
            return None
        return [
            Level(row["search"], row["tries"], np.nan if row["nats"] is None else row["nats"], np.array(row["shares"]))
            for row in json.loads(path.read_text(encoding="utf-8"))
        ]

    def put(self, key: str, levels: list[Level]) -> list[Level]:
        """Keep the levels of a reward and search, and return them."""
        rows: list[dict[str, Any]] = [
            {
                "search": level.search,
                "tries": level.tries,
                "nats": level.nats if np.isfinite(level.nats) else None,
                "shares": level.shares.tolist(),
            }
            for level in levels
        ]
        write_atomically(self._path(key), json.dumps(rows))
        return levels

    def _path(self, key: str) -> Path:
        return self._folder / f"{plain_name(key)}.json"
