"""A run's folder survives being killed at any moment."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.shared.atomic_files import write_atomically
from experiments.shared.folder_lock import locked
from experiments.shared.run_folder import HeldOutPoint, RunFolder, RunState
from experiments.shared.run_settings import run_settings
from tests.experiments.damages import DAMAGES
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.curve_point import CurvePoint


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path, "demo", {"name": "demo", "reward": {"beta": 0.5}})


def test_each_run_gets_a_folder_of_its_own(tmp_path, folder):
    second = RunFolder.create(tmp_path, "demo", {})
    assert (folder.path.name, second.path.name) == ("demo-1", "demo-2")
    assert RunFolder.existing(folder.path).config() == {"name": "demo", "reward": {"beta": 0.5}}
    assert folder.state() is None


def test_a_relative_output_folder_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert RunFolder.create(Path("runs"), "demo", {}).path == tmp_path / "runs" / "demo-1"


def test_the_state_comes_back_as_it_was(folder):
    state = RunState("abc", 100, 1.5, None, (CurvePoint(1, 0.5, 0.25, float("inf"), 3, 2),), (HeldOutPoint(2, 0.5),))
    folder.write_state(state)
    assert folder.state() == state


def test_the_newest_two_checkpoints_are_kept(folder):
    state = folder.write_checkpoint(RunState("abc", 100), lambda path: path.mkdir())
    for steps in (200, 300):
        state = folder.write_checkpoint(replace(state, env_steps=steps), lambda path: path.mkdir())
    assert sorted(path.name for path in folder.path.glob("*-*")) == ["checkpoint-000000200", "checkpoint-000000300"]
    assert folder.state().checkpoint == state.checkpoint == "checkpoint-000000300"


def test_a_kill_while_saving_leaves_the_checkpoint_before_it(folder):
    state = folder.write_checkpoint(RunState("abc", 100), lambda path: path.mkdir())

    def killed(path):
        path.mkdir()
        (path / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.write_checkpoint(replace(state, env_steps=200), killed)
    assert folder.state() == state
    assert (folder.path / state.checkpoint).is_dir()
    again = folder.write_checkpoint(replace(state, env_steps=200), lambda path: path.mkdir())
    assert not (folder.path / again.checkpoint / "half").exists(), "the half-written files came along"


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no folder of a run"):
        RunFolder.existing(tmp_path)


def two_checkpoints(folder):
    def save(path):
        (path / "learner").mkdir(parents=True)
        (path / "learner" / "weights").write_bytes(b"0123456789")

    state = RunState("abc", 0)
    for steps in (100, 200):
        state = folder.write_checkpoint(replace(state, env_steps=steps), save)
    return folder.path / state.checkpoint


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["learner/weights", "state.json", "checksums.json"])
def test_a_damaged_checkpoint_makes_the_one_before_count_and_says_so(folder, file, damage):
    newest = two_checkpoints(folder)
    DAMAGES[damage](newest / file)
    said = []
    state = folder.restorable(said.append)
    assert (state.env_steps, state.checkpoint, state.mlflow_run_id) == (100, "checkpoint-000000100", "abc")
    assert len(said) == 1
    assert "checkpoint-000000200" in said[0]


@pytest.mark.parametrize("seal", ["{}", "[]", '{"learner/weights": 5}', "[" * 100_000])
def test_checksums_that_prove_nothing_are_no_proof(folder, seal):
    (two_checkpoints(folder) / "checksums.json").write_text(seal)
    said = []
    assert folder.restorable(said.append).env_steps == 100
    assert len(said) == 1


def test_a_run_without_one_whole_checkpoint_is_refused(folder):
    two_checkpoints(folder)
    for file in folder.path.glob("checkpoint-*/learner/weights"):
        file.unlink()
    with pytest.raises(ConfigError, match=r"no checkpoint in .* is whole .*random weights"):
        folder.restorable(print)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["state.json", "config.yaml"])
def test_every_damaged_file_of_a_run_is_one_line(folder, file, damage):
    two_checkpoints(folder)
    DAMAGES[damage](folder.path / file)
    with pytest.raises(ConfigError) as caught:
        folder.config() if file == "config.yaml" else folder.restorable(print)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lines", range(5))
def test_settings_that_were_copied_in_part_are_told_from_whole_ones(folder, lines):
    path = folder.path / "config.yaml"
    whole = path.read_text().splitlines()
    assert len(whole) == 4
    path.write_text("\n".join(whole[:lines]))
    if lines == 4:
        assert folder.config() == {"name": "demo", "reward": {"beta": 0.5}}
    else:
        with pytest.raises(ConfigError, match=r"cut off|top level"):
            folder.config()


STATES = {
    "a list": [],
    "nothing": None,
    "an unknown key": {"mlflow_run_id": "abc", "new": 1, "curve": [], "held_out": []},
    "a text for a number": {"mlflow_run_id": "abc", "env_steps": "many", "curve": [], "held_out": []},
    "negative steps": {"mlflow_run_id": "abc", "env_steps": -1, "curve": [], "held_out": []},
    "a checkpoint elsewhere": {"mlflow_run_id": "abc", "checkpoint": "../../other", "curve": [], "held_out": []},
    "a point of another kind": {"mlflow_run_id": "abc", "curve": [{"x": 1}], "held_out": []},
}


@pytest.mark.parametrize("values", STATES.values(), ids=STATES)
def test_a_state_of_another_kind_is_one_line(folder, values):
    (folder.path / "state.json").write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=r"state\.json is damaged or of another version"):
        folder.state()


def test_a_run_that_lost_its_state_is_not_begun_again_and_not_deleted(folder):
    newest = two_checkpoints(folder)
    (folder.path / "state.json").unlink()
    with pytest.raises(ConfigError, match=f"{newest}/state.json"):
        folder.state()
    folder.remove_if_never_started()
    assert newest.is_dir()


def test_a_full_disk_leaves_the_checkpoint_before_it_and_nothing_half_written(folder):
    state = folder.write_checkpoint(RunState("abc", 100), lambda path: path.mkdir())

    def full(path):
        path.mkdir()
        (path / "half").write_bytes(b"0")
        raise OSError(errno.ENOSPC, "No space left on device")

    before = sorted(folder.path.rglob("*"))
    with pytest.raises(OSError, match="No space"):
        folder.write_checkpoint(replace(state, env_steps=200), full)
    assert sorted(folder.path.rglob("*")) == before
    assert folder.restorable(print) == state


def test_a_file_that_cannot_be_written_whole_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "before")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "after")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("file", "before")]


@pytest.mark.parametrize("begun", [True, False])
def test_a_run_that_was_moved_without_its_store_says_what_belongs_to_it(tmp_path, begun):
    store = tmp_path / "old" / "mlflow.db"
    run = RunFolder.create(tmp_path / "new", "demo", {"tracking": {"uri": f"sqlite:///{store}"}})
    if not begun:
        assert run_settings(run.path)
        return
    run.write_state(RunState("abc"))
    with pytest.raises(ConfigError, match=r"mlflow\.db and mlartifacts belong to it.* let .*/old be a link"):
        run_settings(run.path)
    assert run_settings(run.path, elsewhere=True)
    assert not store.parent.exists(), "an empty store was made where the run's was"
    store.parent.mkdir()
    store.touch()
    assert run_settings(run.path)


def test_a_folder_has_one_process_and_says_which(folder):
    refused = pytest.raises(ConfigError, match=rf"in use by process {os.getpid()} on ")
    with locked(folder.path), refused, locked(folder.path):
        pass
    with locked(folder.path):
        pass
