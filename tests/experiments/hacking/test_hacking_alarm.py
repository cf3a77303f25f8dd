"""What is said of the reward-hacking alarm, on trainings whose course is known."""

import csv

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from experiments.hacking.judging import judge
from experiments.hacking_alarm import app
from vlm_rewards.evaluation.curve_point import CurvePoint
from vlm_rewards.tracking import MlflowRun

ITERATIONS = 100


def course(truth, reward, seed=0, episodes=60):
    """Points of a training in which each iteration's returns are means over episodes."""
    rng = np.random.default_rng(seed)
    chances = [np.interp(np.linspace(0, 1, ITERATIONS), np.linspace(0, 1, len(part)), part) for part in (truth, reward)]
    means = [rng.binomial(episodes, chance) / episodes for chance in chances]
    return [
        CurvePoint(1000 * (i + 1), float(paid), float(true), float("nan"))
        for i, (true, paid) in enumerate(zip(*means, strict=True))
    ]


def hacked(seed=0):
    """The truth rises to 0.5 and falls to 0.05, while the reward goes on to 0.9."""
    return course([0.1, 0.5, 0.3, 0.05, 0.05], [0.2, 0.5, 0.7, 0.9, 0.9], seed)


def test_a_training_that_loses_the_truth_is_halved_and_when():
    verdict = judge("lost", "id", hacked())
    assert verdict.halved
    assert verdict.best > 0.35
    assert verdict.last < 0.1
    assert verdict.reward_last > verdict.reward_best
    # The truth itself stands at half of its best at 60,000 steps; a mean over twenty iterations later.
    assert 60_000 < verdict.halved_at < 80_000
    assert verdict.fired_at is not None
    assert verdict.lead == pytest.approx((verdict.halved_at - verdict.fired_at) / 100_000)


@pytest.mark.parametrize(
    "truth",
    [[0.1, 0.9], [0.4, 0.4], [0.5, 0.32], [0.01, 0.01], [0.1, 0.6, 0.2, 0.6]],
    ids=["learns", "flat", "falls by a third", "never there", "falls and comes back"],
)
def test_other_trainings_are_not(truth):
    assert not any(judge("", "", course(truth, [0.2, 0.9], seed)).halved for seed in range(20))


def test_iterations_without_an_episode_are_passed_over():
    points = hacked()
    points[50] = CurvePoint(points[50].env_steps, float("nan"), float("nan"), float("nan"))
    assert judge("", "", points).halved_at == pytest.approx(judge("", "", hacked()).halved_at, abs=2000)


@pytest.fixture(scope="module")
def store(tmp_path_factory, with_store):
    """Three trainings that count and three that do not, as the commands log them."""
    folder = with_store(tmp_path_factory.mktemp("alarm"))
    uri = f"sqlite:///{folder / 'mlflow.db'}"

    def log(name, points, kind="clip"):
        given = {"uri": uri, "experiment": "made", "name": name, "spill_folder": folder}
        with MlflowRun.start(params={"reward.kind": kind}, tags={}, **given) as run:
            for point in points:
                metrics = {"train/reward_return": point.reward_return, "train/success_rate": point.success_rate}
                run.log_metrics(metrics, point.env_steps)

    log("hacked", hacked())
    log("learns", course([0.1, 0.9], [0.1, 0.9]))
    # Both fall: the truth is lost, and not to the reward.
    log("unlearned", course([0.5, 0.6, 0.1, 0.1], [0.6, 0.7, 0.2, 0.1]))
    log("true reward", hacked(), kind="ground_truth")
    log("too short", hacked()[:15])
    log("without a curve", [])
    return folder


def test_the_command_says_how_often_it_was_right(store, tmp_path):
    arguments = ["--mlflow-uri", f"sqlite:///{store / 'mlflow.db'}", "--output", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "3 trainings. The alarm fired in 1 of 2" in said
    assert "whose truth fell by half, in 1 of 1" in said
    assert "and in 0 of 1" in said
    rows = {row["run"]: row for row in csv.DictReader((tmp_path / "hacking_alarm.csv").open())}
    assert set(rows) == {"hacked", "learns", "unlearned"}
    assert rows["learns"]["halved_at"] == rows["learns"]["alarm_at"] == rows["unlearned"]["alarm_at"] == ""
    assert float(rows["hacked"]["success_best"]) == pytest.approx(judge("", "", hacked()).best)
    with Image.open(tmp_path / "hacking_alarm.png") as figure:
        assert np.asarray(figure).std() > 10


def test_the_alarm_may_be_judged_with_other_settings(store, tmp_path):
    arguments = ["--mlflow-uri", f"sqlite:///{store / 'mlflow.db'}", "--output", str(tmp_path), "--significance", "100"]
    result = CliRunner().invoke(app, arguments)
    assert "The alarm fired in 0 of 2" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("option", "value"), [("--minimum-window", 1), ("--significance", -1), ("--minimum-relative-fall", 1.5)]
)
def test_an_alarm_that_cannot_be_is_one_clear_line(store, tmp_path, option, value):
    arguments = ["--mlflow-uri", f"sqlite:///{store / 'mlflow.db'}", "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, option, str(value)])
    assert result.exit_code == 2
    assert f"alarm's {option[2:].replace('-', '_')} must be" in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_a_store_without_trainings_is_one_clear_line(tmp_path, with_store):
    empty = with_store(tmp_path / "empty")
    result = CliRunner().invoke(app, ["--mlflow-uri", f"sqlite:///{empty / 'mlflow.db'}", "--output", str(tmp_path)])
    assert result.exit_code == 2
    assert "no finished training on a reward model" in " ".join(result.output.split())
