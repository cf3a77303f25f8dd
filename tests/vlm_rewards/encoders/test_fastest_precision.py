"""`precision: auto`: what is tried, what is chosen, what is kept, and what happens where a trial fails."""

import json
import logging
import signal
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vlm_rewards.encoders import fastest_precision as module
from vlm_rewards.encoders.checkpoint import Checkpoint
from vlm_rewards.encoders.fastest_precision import TrialError, fastest_precision, trial
from vlm_rewards.encoders.image_graph import openvino_is_installed
from vlm_rewards.encoders.proof.agreement import AgreementRecord, PrecisionAgreement, RewardAgreement
from vlm_rewards.encoders.transformers_encoder import TransformersEncoder

needs_openvino = pytest.mark.skipif(not openvino_is_installed(), reason="openvino is not installed")
ALL = ("fp32", "bf16", "int8")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VLM_REWARDS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "precisions"


class Machine:
    """Takes these milliseconds, or fails for these reasons; counts what it was asked."""

    def __init__(self, **milliseconds: float | TrialError) -> None:
        self.milliseconds = milliseconds
        self.asked: list[str] = []

    def __call__(self, precision: str) -> float:
        self.asked.append(precision)
        answer = self.milliseconds[precision]
        if isinstance(answer, TrialError):
            raise answer
        return answer / 1000


def chosen(machine, candidates=ALL, **made_from: str) -> str:
    return fastest_precision("model", candidates, made_from, machine)


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        ((3.0, 1.6, 0.8), "int8"),
        ((3.0, 1.6, 1.5), "bf16"),  # a gain within the noise does not pay for less faithful numbers
        ((3.0, 3.5, 2.8), "fp32"),
        ((3.0, 3.5, 1.0), "int8"),
    ],
)
def test_the_fastest_is_chosen_if_it_gains_enough(milliseconds, expected):
    assert chosen(Machine(**dict(zip(ALL, milliseconds, strict=True)))) == expected


def test_a_choice_is_kept_whatever_a_later_measurement_would_say(own_cache):
    assert chosen(Machine(fp32=3, bf16=1, int8=2)) == "bf16"
    later = Machine(fp32=3, bf16=2, int8=1)
    assert chosen(later) == "bf16"
    assert later.asked == []
    assert len(list(own_cache.glob("*.json"))) == 1


def test_other_weights_and_other_candidates_are_measured_anew():
    machine = Machine(fp32=3, bf16=1, int8=2)
    assert chosen(machine, weights="a") == chosen(machine, weights="b") == "bf16"
    assert chosen(machine, ("fp32", "int8"), weights="a") == "int8"
    assert len(machine.asked) == 8


def test_nothing_is_measured_where_there_is_no_choice():
    machine = Machine()
    assert chosen(machine, ("fp32",)) == "fp32"
    assert machine.asked == []


def test_replicas_that_start_together_measure_once_and_agree():
    machine, started = Machine(fp32=3, bf16=1, int8=2), threading.Barrier(6)

    def start(_: int) -> str:
        started.wait()
        return chosen(machine)

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(start, range(6))) == {"bf16"}
    assert machine.asked == list(ALL)


def test_without_a_lock_the_first_to_write_decides(monkeypatch):
    """As on a file system that knows no locks: another process has written while this one measured."""
    monkeypatch.setattr(module.fcntl, "flock", lambda *args: (_ for _ in ()).throw(OSError("no locks")))

    def slow(precision: str) -> float:
        if precision == "fp32":
            assert chosen(Machine(fp32=3, bf16=1, int8=2)) == "bf16"
        return {"fp32": 3.0, "bf16": 2.0, "int8": 1.0}[precision]

    assert chosen(slow) == "bf16"


def test_where_nothing_can_be_written_it_measures_each_time(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VLM_REWARDS_CACHE", str(tmp_path / "file"))
    machine = Machine(fp32=3, bf16=1, int8=2)
    assert chosen(machine) == chosen(machine) == "bf16"
    assert len(machine.asked) == 6
    assert "cannot be kept" in caplog.text


@pytest.mark.parametrize("content", [b"", b"[]", b'{"precision": "fp8"}'])
def test_a_damaged_choice_is_made_anew(own_cache, content):
    chosen(Machine(fp32=3, bf16=1, int8=2))
    (path,) = own_cache.glob("*.json")
    path.write_bytes(content)
    assert chosen(Machine(fp32=3, bf16=2, int8=1)) == "int8"
    assert json.loads(path.read_bytes())["precision"] == "int8"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_precision_that_kills_is_not_chosen_and_not_tried_again(caplog):
    caplog.set_level(logging.INFO)
    machine = Machine(fp32=3, bf16=TrialError("the processor ends the process (signal 4)", lasting=True), int8=1)
    assert chosen(machine) == chosen(machine) == "int8"
    assert machine.asked == list(ALL)
    assert "bf16 failed: the processor ends the process (signal 4)" in caplog.text


def test_what_took_too_long_is_tried_again_another_time():
    machine = Machine(fp32=3, bf16=TrialError("no result after 30 s", lasting=False), int8=1)
    assert chosen(machine) == "int8"
    machine.milliseconds["bf16"] = 0.1
    assert chosen(machine) == "bf16"


def test_where_fp32_itself_cannot_be_timed_it_is_used_and_one_line_says_why(own_cache, caplog):
    assert chosen(Machine(fp32=TrialError("no process can be started", lasting=False))) == "fp32"
    assert caplog.messages == ["precision 'auto' of model is fp32: measuring failed (no process can be started)"]
    assert list(own_cache.glob("*.json")) == []


@pytest.mark.parametrize(
    ("program", "message", "lasting"),
    [
        ("import os; os.kill(os.getpid(), 4)", f"signal {int(signal.SIGILL)}", True),
        ("raise SystemExit('error: no such file')", "error: no such file", True),
        ("import time; time.sleep(60)", "no result after 0 s", False),
    ],
    ids=["dies", "fails", "hangs"],
)
def test_a_trial_that_ends_badly_is_an_error_with_its_reason(tmp_path, monkeypatch, program, message, lasting):
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(module, "_TRIAL", tmp_path / "program.py")
    monkeypatch.setattr(module, "_TRIAL_TIMEOUT_S", 0.4 if "sleep" in program else 30.0)
    with pytest.raises(TrialError, match=message) as caught:
        trial(tmp_path / "graph.xml", "f32")
    assert caught.value.lasting == lasting


def agreement(folder: Path, precision: str, differing: int, **parts: str) -> None:
    """Writes into a checkpoint folder how a precision's rewards compared with fp32's, on 1,000 frames."""
    rewards = RewardAgreement(
        reward="r",
        key="k",
        dataset="d",
        frames=1000,
        rewarded=100,
        differing=differing,
        average_precision=0.9,
        fp32_average_precision=0.9,
    )
    found = PrecisionAgreement(runtime="openvino", precision=precision, rewards=(rewards,))
    stored = TransformersEncoder(Checkpoint.load(str(folder))).parts
    AgreementRecord(parts={**stored, **parts}).with_agreement(found).write(folder)


@needs_openvino
def test_an_encoder_tries_only_what_agrees(pocket_folder, tmp_path, monkeypatch):
    import shutil

    from vlm_rewards.encoders.openvino_encoder import OpenVINOEncoder

    folder = Path(shutil.copytree(pocket_folder, tmp_path / "model"))
    tried: list[str] = []

    def fast_in_bf16(graph: Path, hint: str) -> float:
        assert trial(graph, hint) > 0  # the real one runs
        tried.append(hint)
        return {"f32": 3.0, "bf16": 1.0}[hint]

    monkeypatch.setattr("vlm_rewards.encoders.openvino_encoder.trial", fast_in_bf16)

    def precision() -> str:
        return OpenVINOEncoder(Checkpoint.load(str(folder)), "auto").precision

    assert precision() == "fp32"  # nothing is recorded
    agreement(folder, "bf16", differing=2)
    assert precision() == "fp32"  # it differs in 2 of 1,000
    agreement(folder, "bf16", differing=0, weights="of another training")
    assert precision() == "fp32"
    assert tried == []
    agreement(folder, "bf16", differing=1)
    assert precision() == "bf16"
    assert tried == ["f32", "bf16"]
    named = OpenVINOEncoder(Checkpoint.load(str(folder)), "bf16")
    assert OpenVINOEncoder(Checkpoint.load(str(folder)), "auto").fingerprint == named.fingerprint
    assert len(tried) == 2


def test_on_torch_auto_is_fp32_on_a_cpu(pocket_folder, caplog):
    caplog.set_level(logging.INFO)
    assert TransformersEncoder(Checkpoint.load(str(pocket_folder)), precision="auto").precision == "fp32"
    assert "is fp32 on cpu; for more speed install openvino" in caplog.text
