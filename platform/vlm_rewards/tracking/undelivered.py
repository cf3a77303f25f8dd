"""Files that keep what a run's MLflow store has not taken."""

import contextlib
import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from vlm_rewards.tracking.store import first_line
from vlm_rewards.tracking.writes import ArtifactWrite, MetricsWrite, TagsWrite, Write

logger = logging.getLogger(__name__)

METRICS_FILE = "undelivered_metrics.jsonl"
TAGS_FILE = "undelivered_tags.jsonl"
ARTIFACTS_FOLDER = "undelivered_artifacts"


class Undelivered:
    """What one run could not deliver, in a folder.

    Attributes:
        folder: The folder; made when it is needed.
        counts: How many metrics, tags and files are kept in it for good.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: Counter[str] = Counter()
        self._places: set[str] = set()

    def set_aside(self, write: ArtifactWrite) -> None:
        """Copy a file that has to wait: it may be gone, or be another, when the store is back."""
        place = self.folder / ARTIFACTS_FOLDER
        number = 1
        while (place / str(number)).exists():
            number += 1
        copy = place / str(number) / write.path.name
        try:
            copy.parent.mkdir(parents=True)
            shutil.copyfile(write.path, copy)
        except OSError as error:
            logger.warning("%s could not be kept for MLflow, and is sent as it is then: %s", write.path, error)
            shutil.rmtree(copy.parent, ignore_errors=True)
        else:
            write.path = copy

    def delivered(self, write: Write) -> None:
        """Delete the copy of a file that has arrived."""
        if isinstance(write, ArtifactWrite) and self._is_copy(write.path):
            shutil.rmtree(write.path.parent, ignore_errors=True)
            with contextlib.suppress(OSError):  # others are waiting in it
                (self.folder / ARTIFACTS_FOLDER).rmdir()

    def keep(self, writes: Iterable[Write]) -> None:
        """Keep writes for good; where the disk does not take them either, the log says so."""
        for write in writes:
            try:
                self._keep(write)
            except OSError as error:
                logger.error("%s of a run are lost: %s", type(write).__name__, first_line(error))

    def summary(self) -> str:
        """Return what is kept and where, such as `3 metrics could not be delivered and are in FILE`."""
        what = " and ".join(f"{count} {kind}" for kind, count in self.counts.items())
        return f"{what} could not be delivered and are in {', '.join(sorted(self._places))}"

    def _keep(self, write: Write) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if isinstance(write, MetricsWrite):
            self._append(METRICS_FILE, (
                {"key": metric.key, "value": metric.value, "step": metric.step, "timestamp": metric.timestamp}
                for metric in write.metrics
            ))  # fmt: skip
            self.counts["metrics"] += len(write.metrics)
        elif isinstance(write, TagsWrite):
            self._append(TAGS_FILE, ({"key": tag.key, "value": tag.value} for tag in write.tags))
            self.counts["tags"] += len(write.tags)
        else:
            if not self._is_copy(write.path):
                self.set_aside(write)
            self.counts["files"] += 1
            self._places.add(ARTIFACTS_FOLDER)

    def _is_copy(self, path: Path) -> bool:
        return self.folder / ARTIFACTS_FOLDER in path.parents

    def _append(self, name: str, rows: Iterable[dict[str, object]]) -> None:
        with (self.folder / name).open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        self._places.add(name)
