import pytest
from PIL import Image
from typer.testing import CliRunner

from envs.playhouse.__main__ import app, main


@pytest.fixture
def run():
    return lambda *args, **settings: CliRunner().invoke(app, list(map(str, args)), **settings)


def test_the_contact_sheets_show_every_category(run, tmp_path):
    result = run("sheet", "--preset", "small", "--size", 48, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {
        "things-48.png",
        "things-64.png",
        "colours.png",
        "homes.png",
    }
    assert Image.open(tmp_path / "things-64.png").size == (8 * 160, 2 * 180)


def test_the_video_shows_the_oracle_succeeding(run, tmp_path):
    result = run("video", "--family", "find", "--preset", "small", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "success True" in result.output
    with Image.open(tmp_path / "find-small-oracle-0.gif") as gif:
        assert gif.n_frames > 3


def test_a_person_can_drive(run, tmp_path):
    result = run("drive", "--preset", "small", "--out", tmp_path, input="wa\nx\nn\nq\n")
    assert result.exit_code == 0, result.output
    assert result.output.count("Go near") == 2
    assert "step 2: reward" in result.output
    assert "no key 'x'" in result.output
    assert (tmp_path / "drive.png").exists()


def test_the_check_and_speed_print_their_numbers(run):
    result = run("check", "--episodes", 2, "--families", "find")
    assert "oracle   success 1.000" in result.output
    result = run("speed", "--steps", 20)
    assert "with a 224 px reward frame" in result.output
    result = run("memory", "--preset", "small", "--resets", 20, "--envs", 3)
    assert "1 GL context, 0 after closing" in result.output


def test_mistakes_are_one_line(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["playhouse", "sheet", "--preset", "huge"])
    with pytest.raises(SystemExit) as error:
        main()
    assert error.value.code == 2
    assert capsys.readouterr().err.startswith("error: unknown preset 'huge'")
