"""What is wrong with a node is said before step 0, a line each with what to do."""

import http.server
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.shared import node_probe, preflight
from experiments.shared.node_probe import Needs, NodeReport, code_hash, probe
from experiments.shared.preflight import Node, judged
from vlm_rewards.errors import ConfigError

GOOD = NodeReport("a", {"python": "3.11", "ray": "2.60.0", "torch": "2.13.0"}, "c0de", 2**36, 2**34)


def nodes(*reports, clocks=(0, 0, 0)):
    return judged([Node(f"id{i}", f"10.0.0.{i}", each, clocks[i]) for i, each in enumerate(reports)])


def test_equal_nodes_are_fit():
    assert [node.faults for node in nodes(GOOD, GOOD, GOOD)] == [(), (), ()]


@pytest.mark.parametrize(
    ("report", "clock", "said"),
    [
        (replace(GOOD, code="01d"), 0.0, "has other code (01d, most have c0de)"),
        (replace(GOOD, versions=GOOD.versions | {"torch": "2.12.0"}), 0.0, "has torch 2.12.0, most have 2.13.0"),
        (replace(GOOD, versions={"python": "3.11", "torch": "2.13.0"}), 0.0, "has ray none, most have 2.60.0"),
        (GOOD, 1.4, "its clock is 1.4 s ahead of the driver's"),
        (GOOD, -7.0, "its clock is 7.0 s behind the driver's"),
        (replace(GOOD, faults=("no disk",)), 0.0, "no disk"),
    ],
)
def test_the_one_that_differs_is_named_alone(report, clock, said):
    good, other, bad = nodes(GOOD, GOOD, report, clocks=(0.2, -0.9, clock))
    assert (good.faults, other.faults) == ((), ())
    (fault,) = bad.faults
    assert said in fault


def test_a_fit_node_has_no_faults_and_leaves_its_file_alone(tmp_path):
    (tmp_path / "marker").touch()
    report = probe(Needs(tmp_path, marker="marker", storage=str(tmp_path / "checkpoints")), "n1")
    assert report.faults == ()
    assert report.versions["ray"]
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"marker", "marker-n1"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"marker": "the-drivers"}, "another folder than the driver's"),
        ({"output": Path("/proc/nowhere")}, "cannot be written"),
        ({"storage": "/proc/nowhere"}, "storage /proc/nowhere cannot be written"),
        ({"mlflow_uri": "http://127.0.0.1:9"}, "nothing answers at the MLflow store"),
    ],
)
def test_what_a_node_cannot_do_it_says(change, said, tmp_path):
    report = probe(replace(Needs(tmp_path), **change), "n1")
    assert any(said in fault for fault in report.faults), report.faults


def test_a_full_disk_too_little_memory_and_no_egl_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(node_probe, "_free_disk", lambda folder: 2**20)
    monkeypatch.setattr(node_probe, "_free_memory", lambda: 2**20)
    monkeypatch.setattr("mujoco.GLContext", lambda *size: 1 / 0)
    faults = " ".join(probe(Needs(tmp_path, draws=True), "n1").faults)
    for said in ("GiB free: make room", "GiB of memory are free", "MuJoCo cannot draw (ZeroDivisionError"):
        assert said in faults


def test_a_server_that_is_no_mlflow_is_no_store(tmp_path):
    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Nothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (fault,) = probe(Needs(tmp_path, mlflow_uri=f"http://127.0.0.1:{server.server_port}"), "n1").faults
        server.shutdown()
    assert "no MLflow server" in fault


def test_the_codes_hash_is_of_names_and_contents(tmp_path):
    module = tmp_path / "envs" / "a.py"
    module.parent.mkdir()
    module.write_text("x = 1")
    first = code_hash(tmp_path)
    code_hash.cache_clear()
    module.write_text("x = 2")
    second = code_hash(tmp_path)
    code_hash.cache_clear()
    module.rename(module.with_name("b.py"))
    assert len({first, second, code_hash(tmp_path)}) == 3
    code_hash.cache_clear()


def test_one_machine_is_asked_in_this_process_says_nothing_and_leaves_nothing(ray_session, tmp_path, capsys):
    (node,) = preflight.preflight(Needs(tmp_path / "runs"))
    assert node.faults == ()
    assert list((tmp_path / "runs").iterdir()) == []
    assert capsys.readouterr().out == ""


def test_other_nodes_are_asked_by_ray_and_the_table_says_what_they_are(ray_session, tmp_path, capsys):
    (node,) = preflight.preflight(Needs(tmp_path), show=True, here="another")
    assert node.report.host
    assert abs(node.clock_s) < 1
    assert "yes" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"1 of 1 nodes are not fit .* nothing was begun"):
        preflight.preflight(Needs(tmp_path, mlflow_uri="http://127.0.0.1:9"), here="another")
    assert "nothing answers at the MLflow store" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "model_size"])
def test_commands_have_it_alone(command, ray_session, tmp_path):
    import importlib

    from typer.testing import CliRunner

    app = importlib.import_module(f"experiments.{command}").app
    result = CliRunner().invoke(app, ["--preset", "smoke", "--output", str(tmp_path / "out"), "--preflight-only"])
    assert result.exit_code == 0, result.output
    assert "1 of 1 nodes are fit for the run" in result.output
    assert not [path for path in (tmp_path / "out").iterdir() if path.is_dir()], "a run's folder was made"
