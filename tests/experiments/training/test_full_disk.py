"""A disk that is really full: a small one of its own, which the tests fill."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from mlflow.tracking import MlflowClient
from pyarrow import fs

from experiments.shared.command_line import clear_errors
from experiments.shared.preset_files import load_preset
from experiments.shared.run_folder import RunFolder, RunState
from experiments.training import loop
from experiments.training.config import TrainConfig
from experiments.training.loop import TrainingLoop
from tests.experiments.training.test_loop import Written
from tests.experiments.training.test_run import Silent
from tests.small_disk import small_disk
from vlm_rewards.tracking import MlflowRun, store
from vlm_rewards.tracking.store import default_uri

MIB = 2**20


@pytest.fixture
def disk(tmp_path, with_store):
    """A disk of 8 MiB with an empty MLflow store on it."""
    with small_disk(tmp_path / "disk", 8) as place:
        yield with_store(place)


@dataclass
class Heavy(Written):
    """Stands for an algorithm whose checkpoints grow; written as RLlib writes them."""

    sizes: tuple[int, ...]

    def __post_init__(self):
        super().__init__()

    def save_to_path(self, path):
        super().save_to_path(path)
        with fs.LocalFileSystem().open_output_stream(str(Path(path, "module_state.pkl"))) as file:
            for _ in range(self.sizes[len(self.saved) - 1] // 2**16):
                file.write(b"\xa5" * 2**16)


def train(place, monkeypatch, sizes, before=lambda: None):
    """Runs a training whose checkpoints have these sizes; returns its folder and its run's id."""
    monkeypatch.setattr(loop.health, "check", lambda result, **expected: result)
    monkeypatch.setattr(loop, "begin_anew", lambda algorithm, seed: None)
    monkeypatch.setattr(store, "MINIMUM_FREE_BYTES", MIB)  # what a run is refused below, before it begins
    config = TrainConfig(**load_preset("train", "smoke", ["total_env_steps=300", "checkpoint_every_steps=100"]))
    folder = RunFolder.create(place, "smoke", config.model_dump(mode="json"))
    run = MlflowRun.start(
        uri=default_uri(place), experiment="full", name="smoke-1", params={}, tags={}, spill_folder=folder.path
    )
    state = RunState(run.run_id)
    folder.write_state(state)
    training = TrainingLoop(
        config,
        Heavy(sizes),
        state,
        folder=folder,
        run=run,
        watcher=Silent(),
        held_out_success=lambda: 0.0,
        on_checkpoint=lambda state: None,
    )
    before()
    with pytest.raises(typer.Exit) as ended, clear_errors(f"continue with --resume {folder.path}"), run:
        training.execute()
    assert ended.value.exit_code == 1
    return folder, run.run_id


def check(place, folder, run_id, output, checkpoint):
    """Asserts what a full disk may leave."""
    assert not list(place.rglob("*.partial")) + list(place.rglob(".*.partial"))
    assert [path.name for path in folder.path.glob("checkpoint-*")] == ([checkpoint] if checkpoint else [])
    assert folder.restorable(print).checkpoint == checkpoint
    lines = output.err.strip().splitlines()
    assert len(lines) == 1, output.err
    assert "full" in lines[0]
    assert "free some space and continue with --resume" in lines[0]
    ended = MlflowClient(default_uri(place)).get_run(run_id)
    assert ended.info.status == "FAILED"
    assert "space" in ended.data.tags["end_reason"]


@pytest.mark.parametrize("size", [5 * MIB, 100 * MIB], ids=["nearly", "never"])
def test_a_checkpoint_that_does_not_fit_leaves_the_one_before_and_an_ended_run(disk, monkeypatch, capsys, size):
    folder, run_id = train(disk, monkeypatch, (MIB, size, size))
    check(disk, folder, run_id, capsys.readouterr(), "checkpoint-000000100")


def test_a_disk_that_something_else_fills_to_the_last_byte_ends_the_run_too(disk, monkeypatch, capsys):
    def fill():
        with contextlib.suppress(OSError), (disk / "others").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    folder, run_id = train(disk, monkeypatch, (MIB,), before=fill)
    check(disk, folder, run_id, capsys.readouterr(), None)
