"""A peer that is not to be had is a line in the table, not a failed benchmark."""

import math
import os
import subprocess
import sys

import psutil
import pytest

from benchmarks import infinity_rows, miniworld_rows
from benchmarks.env_steps import main
from benchmarks.peer import Peer
from benchmarks.processor_time import ProcessorTime
from benchmarks.row import REPORTED, Row
from benchmarks.table import as_text
from vlm_rewards.errors import VLMRewardsError


def test_a_python_that_is_named_is_taken_and_one_that_is_not_there_is_refused(monkeypatch, tmp_path):
    peer = Peer("other", ("nothing",))
    monkeypatch.setenv("VLM_REWARDS_PEER_OTHER", sys.executable)
    assert str(peer.python()) == sys.executable
    monkeypatch.setenv("VLM_REWARDS_PEER_OTHER", str(tmp_path / "python"))
    with pytest.raises(VLMRewardsError, match=r"VLM_REWARDS_PEER_OTHER is .*; name a Python that has other"):
        peer.python()


def test_what_pip_cannot_install_is_one_line_and_tried_again(monkeypatch, tmp_path):
    monkeypatch.setenv("VLM_REWARDS_CACHE", str(tmp_path))
    commands = []

    def run(command, **_):
        commands.append(command)
        failed = "pip" in command
        return subprocess.CompletedProcess(
            command, int(failed), "", "WARNING: no\nERROR: No matching distribution\nhint"
        )

    monkeypatch.setattr(subprocess, "run", run)
    for _ in range(2):
        with pytest.raises(VLMRewardsError, match=r"^other cannot be installed here: ERROR: No matching distribution$"):
            Peer("other", ("nothing==1",)).python()
    assert [command[-1] for command in commands if "pip" in command] == ["nothing==1"] * 2


def test_our_code_and_settings_do_not_reach_a_peer(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "here")
    environment = Peer("other", ()).environment(PYGLET_HEADLESS="true")
    assert "PYTHONPATH" not in environment
    assert environment["PATH"] == os.environ["PATH"]
    assert (environment["OMP_NUM_THREADS"], environment["PYGLET_HEADLESS"]) == ("1", "true")


@pytest.mark.parametrize(
    ("peer", "measure"), [("MINIWORLD", miniworld_rows.miniworld), ("INFINITY", infinity_rows.infinity)]
)
def test_a_row_without_its_peer_says_why(peer, measure, monkeypatch, tmp_path):
    monkeypatch.setenv(f"VLM_REWARDS_PEER_{peer}", str(tmp_path / "python"))
    for row in measure(True):
        assert math.isnan(row.measured)
        assert row.met is None
        assert "name a Python that has" in row.note


def test_an_environments_steps_are_timed_apart_from_its_resets():
    found = main("CartPole-v1", {}, 0.05)
    assert found["steps"] > 10
    assert found["shape"] == [4]
    assert found["step_ms"] > 0
    assert found["reset_ms"] > 0


def test_processor_time_is_that_of_the_children_too():
    busy = "while True: pass"
    spent = ProcessorTime()
    child = subprocess.Popen([sys.executable, "-c", busy])
    try:
        of_child = ProcessorTime(psutil.Process(child.pid))
        while of_child.seconds() < 0.1:
            pass
        assert spent.seconds() > 0.1
    finally:
        child.kill()
        child.wait()


def test_a_row_that_only_reports_has_its_number_and_no_mark():
    row = Row("cost", "what", 1.5, REPORTED, "<=")
    assert row.met is None
    assert row.as_dict()["target"] is None
    assert as_text([row]).splitlines()[1].split() == ["cost", "what", "reported", "1.5", "x", "-"]
