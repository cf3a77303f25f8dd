"""Commands in this process, with what a test does to them meanwhile, and what they tell MLflow."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
import typer
from click.testing import Result
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from vlm_rewards.tracking import MlflowRun


def invoke(app: typer.Typer, *arguments: object) -> Result:
    """Runs a command as from a shell; the Ray session of the tests, if there is one, is its."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@contextmanager
def meanwhile(action: Callable[[Callable[[], bool]], Any]) -> Iterator[Future]:
    """Does something in a thread beside the block; its outcome is there when the block is over.

    Args:
        action: Gets a function that tells whether the block is over: what it waits for may never come then.
    """
    over = Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(action, over.is_set)
        try:
            yield future
        finally:
            over.set()


class MetricLog:
    """What one run was told to log, in order: (step, metrics)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, dict[str, float]]] = []

    @contextmanager
    def listening(self) -> Iterator["MetricLog"]:
        """Listens to all runs of this process while in the block."""
        log_metrics = MlflowRun.log_metrics

        def listen(run: MlflowRun, metrics: Mapping[str, float], step: int) -> None:
            self.calls.append((run.run_id, step, dict(metrics)))
            log_metrics(run, metrics, step)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MlflowRun, "log_metrics", listen)
            yield self

    def missing_from(self, client: MlflowClient) -> list[tuple[str, int]]:
        """Name and step of all numbers that MLflow was told and does not have: the tracker drops what does not rise."""
        missing = []
        for run_id, step, metrics in self.calls:
            for name, value in metrics.items():
                stored = {(metric.step, metric.value) for metric in client.get_metric_history(run_id, name)}
                if value == value and (step, value) not in stored:
                    missing.append((name, step))
        return missing
