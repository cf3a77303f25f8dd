"""The check of a GPU, as far as a machine without one can go: its dry run, and what its script asks for."""

import re
import subprocess
from pathlib import Path

from typer.testing import CliRunner

from benchmarks.gpu_check import app
from experiments.train import app as train

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "gpu_check.sh"


def test_a_dry_run_measures_a_small_tower_on_the_cpu(tmp_path):
    done = CliRunner().invoke(app, ["--device", "cpu", "--seconds", "0.01", "--output", str(tmp_path / "gpu.md")])
    assert done.exit_code == 0, done.output
    rows = re.findall(
        r"^\| small \| (\w+), eager \| 8 \| ([\d,]+) \|.*\| ([\d.]+) \| [\d.]+ \|$",
        page := (tmp_path / "gpu.md").read_text(),
        re.M,
    )
    assert [name for name, *_ in rows] == ["fp32", "bf16"]
    assert all(float(images.replace(",", "")) > 0 for _, images, _ in rows)
    assert float(rows[0][2]) == 1.0
    assert float(rows[1][2]) > 0.99
    assert "dry run" in page


def test_without_a_gpu_and_with_an_unknown_model_it_is_one_line():
    for arguments, message in (([], "no GPU here"), (["--device", "cpu", "--model", "vit-z"], "no model 'vit-z'")):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_the_script_asks_train_for_what_train_knows(tmp_path):
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    before, after = SCRIPT.read_text().split("# One iteration of Find")
    # The settings for GPUs stand before, and are given last.
    text = after + before
    settings = [one.strip("'") for one in re.findall(r"--set ('[^']*'|\S+?)(?=[\s)])", text)]
    assert len(settings) == 7
    options = [part for one in settings for part in ("--set", one)]
    done = CliRunner().invoke(train, ["--preset", "find_small", "--output", str(tmp_path), *options, "--dry-run"])
    assert done.exit_code == 0, done.output + done.stderr
