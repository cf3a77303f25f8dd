"""The console script's subcommands, in this process: what they print, and how they end."""

import csv

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from vlm_rewards.cli import commands
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.errors import ConfigError, VLMRewardsError

PRESET = """
task_set:
  name: lamps
  version: 1
  goals:
  - {id: lit, subject: the lamp on, instruction: switch it on}
  - {id: red, subject: a red lamp, instruction: make it red}
  unachieved_captions: [a photo of a dark room]
reward: {model: fake, template: "a photo of [TASK]", negatives: {kind: goals_and_states}, tau: 0.1, beta: 0.6}
"""


def run(*arguments):
    """Returns the exit status, or the error that `main` would print, and what was printed."""
    result = CliRunner().invoke(commands.app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return result.exception, result.output
    return result.exit_code, result.output


@pytest.fixture
def preset(tmp_path):
    path = tmp_path / "lamps.yaml"
    path.write_text(PRESET)
    return str(path)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, text in (("a.png", "a photo of the lamp on"), ("b.png", "a photo of a red lamp"), ("c.png", "dark")):
        Image.fromarray(FakeEncoder().frame_of(text)).save(folder / name)
    return folder


def test_score_says_each_pictures_likeliest_goal_and_reward(pictures, preset, tmp_path):
    table = tmp_path / "all.csv"
    status, output = run("score", str(pictures), "--preset", preset, "--csv", str(table))
    assert status == 0
    lines = output.splitlines()
    assert ["the lamp on  a.png" in lines[0], "a red lamp  b.png" in lines[1]] == [True, True]
    assert "reward 1" in lines[0] and "reward 0" in lines[2]  # noqa: PT018
    with table.open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["picture", "the lamp on", "a red lamp"]
    assert float(rows[1][1]) > 0.9 > float(rows[1][2])


def test_score_takes_words_of_ones_own(pictures, preset):
    options = ("--goal", "a red lamp", "--negative", "a photo of the lamp on", "--template", "a photo of [TASK]")
    status, output = run("score", str(pictures / "b.png"), "--preset", preset, *options)
    assert status == 0
    assert "reward 1  a red lamp  b.png" in output
    error, _ = run("score", str(pictures), "--preset", preset, "--negative", "a dark room")
    assert isinstance(error, ConfigError)
    assert "--goal" in str(error)


def test_score_leaves_out_what_is_no_picture_and_ends_with_1(pictures, preset):
    (pictures / "d.jpg").write_bytes(b"words")
    Image.new("CMYK", (16, 16)).save(pictures / "e.jpg")
    status, output = run("score", str(pictures), "--preset", preset)
    assert status == 1
    assert "d.jpg: (5 bytes) is no PNG or JPEG" in output
    assert "CMYK" in output
    assert sum("reward" in line for line in output.splitlines() if not line.startswith("left out")) == 3


def test_score_reads_the_pixels_that_the_gateway_reads(tmp_path):
    from vlm_rewards.cli.pictures import read_picture

    half = np.zeros((8, 8, 4), np.uint8)
    half[:, :4] = (200, 10, 10, 255)
    Image.fromarray(half).save(tmp_path / "half.png")
    read = read_picture(tmp_path / "half.png")
    assert (read[0, 0].tolist(), read[0, 7].tolist()) == ([200, 10, 10], [255, 255, 255])  # over white


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("score", "/nowhere"), "there is no folder /nowhere"),
        (("score", "."), "holds no PNG or JPEG"),
        (("score", ".", "--preset", "reward-poket"), "did you mean 'reward-pocket'"),
        (("check-reward", "missing.yaml"), "cannot read missing.yaml"),
        (("check-env", "nothing_here:Env-v0"), "needs the module 'nothing_here'"),
        (("check-env", "Nothing-v0"), "Give an id as 'module:Name-v0'"),
        (("check-env", "CartPole-v1", "--options", "3"), "give YAML"),
        (("playground", "--model", "reward-poket"), "did you mean 'reward-pocket'"),
        (("serve", "nothing.yaml"), "there is no file nothing.yaml"),
    ],
)
def test_mistakes_are_one_clear_line(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    error, _ = run(*arguments)
    assert isinstance(error, VLMRewardsError)
    monkeypatch.setattr("sys.argv", ["vlm-rewards", *arguments])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert ended.value.code == 1
    printed = capsys.readouterr().err.splitlines()
    assert printed[-1].startswith("error: ")
    assert says in printed[-1]


def test_serve_says_where_it_works(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    error, _ = run("serve")
    assert "root of a checkout" in str(error)
    assert "vlm-rewards playground" in str(error)


def test_checks_end_by_what_they_found(preset, tmp_path):
    status, output = run("check-reward", preset)
    assert status == 0, output
    assert "of a grey picture the highest score is" in output
    bad = tmp_path / "bad.yaml"
    bad.write_text(PRESET.replace("beta: 0.6", "beta: 1.0"))
    status, output = run("check-reward", str(bad))
    assert status == 1
    assert output.splitlines()[-1].startswith("1 to correct")
    status, output = run("check-env", "CartPole-v1")
    assert status == 1
    assert "terminate_on_success" in output


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_leaves_results_and_warnings(quiet, pictures, preset, tmp_path, monkeypatch):
    monkeypatch.setattr("vlm_rewards.cli.score._SECONDS_BETWEEN_LINES", -1.0)
    option = ["--quiet"] if quiet else []
    (pictures / "d.png").write_bytes(b"words")
    _, output = run("score", str(pictures), "--preset", preset, *option)
    assert ("of 4 pictures, about" in output) != quiet
    assert "left out: " in output
    assert output.count("reward 1") == 2
    _, output = run("check-reward", preset, *option)
    assert any(line.startswith(("ok", "note")) for line in output.splitlines()) != quiet
    bad = tmp_path / "bad.yaml"
    bad.write_text(PRESET.replace("beta: 0.6", "beta: 1.0"))
    _, output = run("check-reward", str(bad), *option)
    assert "fail  " in output
    _, output = run("check-env", "CartPole-v1", *option)
    assert "fail  " in output

    def serve(playground, ready):
        with playground:
            ready("http://x")

    monkeypatch.setattr("vlm_rewards.playground.server.serve_until_stopped", serve)
    status, output = run("playground", "--preset", preset, "--port", "0", *option)
    assert status == 0
    assert ("loading" in output) != quiet
    assert "The playground is at http://x" in output


def test_no_color_makes_errors_plain_on_a_terminal(monkeypatch):
    from vlm_rewards.cli.error_line import say_error

    app = typer.Typer(add_completion=False)
    app.command()(lambda: say_error("no"))
    assert CliRunner().invoke(app, color=True).stderr == "\x1b[31merror: no\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert CliRunner().invoke(app, color=True).stderr == "error: no\n"


def test_the_version_is_the_librarys():
    import vlm_rewards

    assert run("--version") == (0, f"vlm-rewards {vlm_rewards.__version__}\n")
