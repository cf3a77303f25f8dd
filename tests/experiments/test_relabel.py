"""Relabelling: every state gets the service's reward once, whatever happens in between."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from experiments.offline.config import RelabelConfig
from experiments.offline.relabelling import STATE_FILE, Relabelling
from experiments.relabel import app
from tests.experiments.damages import each_damage
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import LabelledDataset
from vlm_rewards.evaluation.offline.dataset import decode_frames
from vlm_rewards.reward_model import RewardConfig, RewardModel

ROOT = Path(__file__).resolve().parents[2]

# A whole relabelling, with an encoder that takes as long as a large one would.
SLOW = """
import json, sys
from pathlib import Path
from experiments.offline import relabelling
from experiments.offline.config import RelabelConfig
from experiments.offline.rewards import TextMemo
from vlm_rewards.encoders.fake import FakeEncoder

relabelling.load_text_encoder = lambda reward: TextMemo(FakeEncoder(seconds_per_batch=0.3))
config = RelabelConfig(**json.loads(sys.argv[1]))
relabelling.Relabelling(config, Path(sys.argv[2])).execute(lambda done, total: None)
"""


@pytest.fixture
def config(painted):
    return RelabelConfig(
        data={"dataset": str(painted), "task_sets": {"painted": str(painted.parent / "goals.yaml")}},
        reward={"model": "fake", "template": "a photo of [TASK]", "tau": 0.05, "beta": 0.5},
        served_by={"kind": "in_process"},
        request_frames=4,
        part_states=6,
    )


def read(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(path) for path in LabelledDataset.open(folder).files])


def check(folder: Path, painted: Path, painted_goals) -> None:
    """Every state is there once, in order, with the reward that the reward model gives its frame."""
    source, table = read(painted), read(folder)
    assert table.drop_columns(["vlm_score", "vlm_reward"]).equals(source)
    model = RewardModel(RewardConfig(model="fake", template="a photo of [TASK]", tau=0.05, beta=0.5), painted_goals)
    scores = model.score(decode_frames(source["image"].to_pylist()), source["goal_id"].to_pylist())
    np.testing.assert_array_equal(table["vlm_score"].to_numpy(), scores)
    np.testing.assert_array_equal(table["vlm_reward"].to_numpy(), model.reward(scores))
    assert 0 < table["vlm_reward"].to_numpy().sum() < len(table)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["relabelled"]["fingerprints"] == {"painted": model.fingerprint}
    assert not list(folder.glob(".*"))


def test_every_state_gets_its_reward(config, painted, painted_goals, tmp_path):
    seen = []
    outcome = Relabelling(config, tmp_path / "out").execute(lambda done, total: seen.append((done, total)))
    assert (outcome.states, outcome.encoded) == (144, 144)
    assert seen[0] == (0, 144)
    assert seen[-1] == (144, 144)
    assert len(list((tmp_path / "out").glob("part-*"))) == 24
    check(tmp_path / "out", painted, painted_goals)
    with pytest.raises(ConfigError, match="already holds a dataset"):
        Relabelling(config, tmp_path / "out")


def test_it_goes_on_after_a_kill_with_no_frame_lost_or_doubled(config, painted, painted_goals, tmp_path):
    out = tmp_path / "out"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}"}
    arguments = [json.dumps(config.model_dump(mode="json", exclude_unset=True)), str(out)]
    child = subprocess.Popen([sys.executable, "-c", SLOW, *arguments], cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 120
        while len(list(out.glob("part-*"))) < 3 and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "it was still at work"
    written = {path.name: path.read_bytes() for path in out.glob("part-*")}
    assert 3 <= len(written) < 24
    assert not (out / "manifest.json").exists()
    with pytest.raises(ConfigError, match="holds no dataset"):
        LabelledDataset.open(out)

    other = config.model_copy(update={"reward": config.reward.model_copy(update={"beta": 0.4})})
    with pytest.raises(ConfigError, match="unfinished relabelling of another dataset or with another reward"):
        Relabelling(other, out)
    # A half-written file, as a kill at another moment leaves it.
    (out / ".part-9999-0000000.parquet.partial").write_bytes(b"PAR1")
    for _ in each_damage([out / STATE_FILE]):
        with pytest.raises(ConfigError, match=f"{STATE_FILE} is damaged|no unfinished relabelling"):
            Relabelling(config, out)
    # Whatever of the rewards does not read as a whole file is made again.
    first, *_ = sorted(written)
    for path, damage in each_damage([out / first]):
        piece = next(piece for piece in Relabelling(config, out)._pieces() if piece.name == first)
        assert not Relabelling(config, out)._is_done(piece), (path, damage)
    outcome = Relabelling(config, out).execute(lambda done, total: None)
    assert outcome.encoded == 144 - 6 * len(written)
    assert all((out / name).read_bytes() == data for name, data in written.items())
    check(out, painted, painted_goals)


def test_a_run_that_was_cut_off_goes_on_in_its_own_mlflow_run(config, options, mlflow_store, tmp_path, monkeypatch):
    out = tmp_path / "out"
    arguments = [*options, "--out", str(out), "--set", "part_states=6", *mlflow_store]
    whole = Relabelling._finish

    def interrupted(work, pieces):
        raise KeyboardInterrupt

    monkeypatch.setattr(Relabelling, "_finish", interrupted)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 130, result.output
    client = MlflowClient(mlflow_store[1])
    experiment = client.get_experiment_by_name("offline").experiment_id
    (killed,) = client.search_runs([experiment], f"params.out = '{out}'")
    assert killed.info.status == "KILLED"
    monkeypatch.setattr(Relabelling, "_finish", whole)
    (out / "part-0001-0000012.parquet").unlink()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    (run,) = client.search_runs([experiment], f"params.out = '{out}'")
    assert run.info.run_id == killed.info.run_id
    assert run.info.status == "FINISHED"
    assert (run.data.metrics["states"], run.data.metrics["encoded"]) == (144, 6)


def test_folders_with_something_else_are_left_alone(config, painted, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        Relabelling(config, tmp_path)
    with pytest.raises(ConfigError, match="already holds a dataset"):
        Relabelling(config, painted)
    with pytest.raises(ConfigError, match="relabelled whole"):
        Relabelling(config.model_copy(update={"data": config.data.model_copy(update={"limit": 3})}), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_command_takes_a_reward_preset(config, options, painted, painted_goals, mlflow_store, tmp_path):
    reward = tmp_path / "reward.yaml"
    reward.write_text("reward: {model: fake, template: 'a photo of [TASK]', tau: 0.05, beta: 0.5}\n")
    arguments = [*options, "--reward-file", str(reward), "--out", str(tmp_path / "out"), *mlflow_store]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "144 states" in result.output
    check(tmp_path / "out", painted, painted_goals)
    client = MlflowClient(mlflow_store[1])
    run = client.get_run(re.search(r"runs/(\w{32})", result.output.replace("\n", ""))[1])
    assert run.info.status == "FINISHED"
    assert (run.data.metrics["states"], run.data.metrics["encoded"]) == (144, 144)
    assert run.data.metrics["frames_per_second"] == pytest.approx(144 / run.data.metrics["seconds"])
    assert run.data.params["reward.beta"] == "0.5"
    assert run.data.params["dataset_fingerprint"] == LabelledDataset.open(painted).fingerprint
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["manifest.json"]
    reward.write_text("tau: 0.1\n")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "has no mapping `reward`" in result.output


@pytest.mark.parametrize("how", ["missing labels", "another frame size", "changed checksum", "unknown goal"])
def test_each_fault_of_a_dataset_is_one_line_and_leaves_nothing(options, spoilt, how, tmp_path):
    messages = {
        "missing labels": "have no goal_achieved",
        "another frame size": "but its manifest says",
        "changed checksum": "missing or damaged",
        "unknown goal": "unknown goal",
    }
    folder = spoilt(how)
    result = CliRunner().invoke(app, [*options, "--dataset", str(folder), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert re.search(messages[how], result.output)
    assert not (tmp_path / "out").exists()


def test_half_a_dual_encoder_is_one_line_and_leaves_nothing(options, half_checkpoint, tmp_path):
    model, message = half_checkpoint
    result = CliRunner().invoke(app, [*options, "--model", model, "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "out").exists()
