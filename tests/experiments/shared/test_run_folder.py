"""A run's folder survives being killed at any moment."""

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.shared.run_folder import HeldOutPoint, RunFolder, RunState
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


def test_only_the_newest_checkpoint_is_kept(folder):
    state = folder.write_checkpoint(RunState("abc", 100), lambda path: path.mkdir())
    state = folder.write_checkpoint(replace(state, env_steps=200), lambda path: path.mkdir())
    assert [path.name for path in folder.path.glob("checkpoint-*")] == ["checkpoint-000000200"]
    assert folder.state().checkpoint == state.checkpoint == "checkpoint-000000200"


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
    assert not list((folder.path / again.checkpoint).iterdir()), "the half-written files came along"


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no folder of a run"):
        RunFolder.existing(tmp_path)
