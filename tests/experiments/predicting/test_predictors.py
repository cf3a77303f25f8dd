"""Which measure predicts the agent, on stores whose answer is known."""

import csv
import itertools

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from typer.testing import CliRunner

from experiments.predicting.ranking import correlate, halves, misled, table
from experiments.predicting.settings import Measured, Setting, gather
from experiments.predictors import app
from vlm_rewards.tracking import MlflowRun

MODELS = ("pocket-xs", "pocket-s", "pocket-m", "pocket-l")
TEMPLATES = ("a photo of [TASK]", "[TASK]", "a view of [TASK]")


def made(seed: int = 0, count: int = 48) -> dict[Setting, Measured]:
    """`good` follows success but for noise, `epic_distance` falls with it, `bad` is noise; Lift is harder than Find."""
    rng, found = np.random.default_rng(seed), {}
    for number in range(count):
        family = ("find", "lift")[number % 2]
        setting = Setting(family, f"model {number}", "[TASK]", "goals", "softmax_binary", 0.01, 0.5)
        skill = rng.random()
        measures = {
            "good": [skill + 0.05 * rng.normal()],
            "epic_distance": [1 - skill + 0.15 * rng.normal()],
            # Within a family it says nothing, and over both it would seem to.
            "bad": [rng.random() + (family == "find")],
        }
        found[setting] = Measured([skill / (1 if family == "find" else 4)] * 2, measures)
    return found


def test_the_best_measure_is_chosen_on_one_half_and_reported_on_the_other():
    rows = table(made(), resamples=200)
    assert [row["measure"] for row in rows] == ["good", "epic_distance", "bad"]
    best, distance, bad = rows
    assert best["reported_on_spearman"] > 0.9
    assert best["reported_on_low"] < best["reported_on_spearman"] < best["reported_on_high"]
    assert distance["all_spearman"] > 0.7, "of a distance less is more"
    assert abs(bad["all_spearman"]) < 0.35, "an easier family is no merit of the measure"
    assert best["chosen_on_settings"] + best["reported_on_settings"] == best["all_settings"] == 48
    assert min(best["chosen_on_settings"], best["reported_on_settings"]) > 12


def test_of_one_family_it_is_spearman_s_and_kendall_s_own():
    rng = np.random.default_rng(3)
    values, success = rng.integers(0, 6, 15).astype(float), rng.random(15)
    found = correlate(values, success, np.array(["find"] * 15), resamples=50)
    assert found.spearman == pytest.approx(stats.spearmanr(values, success).statistic)
    pairs = [
        np.sign(values[a] - values[b]) * np.sign(success[a] - success[b])
        for a, b in itertools.combinations(range(15), 2)
    ]
    assert found.kendall == pytest.approx(np.mean(pairs))


def test_too_few_settings_say_nothing():
    assert correlate(np.array([1.0, 2, np.nan, np.nan]), np.arange(4.0), np.array(["find"] * 4)) is None
    (row,) = table(
        {
            setting: measured
            for setting, measured in list(made().items())[:3]
            if measured.measures.pop("bad") and measured.measures.pop("good")
        },
        resamples=10,
    )
    assert np.isnan(row["all_spearman"])
    assert row["all_settings"] == 3


def test_a_setting_stays_in_its_half_whatever_else_there_is():
    settings = list(made())
    both = halves(settings)
    np.testing.assert_array_equal(halves(settings[5:20]), both[5:20])
    assert (halves(settings, 1) != both).any()


def test_the_pair_that_misled_most_is_the_one_whose_agents_differ_most():
    def of(family, name):
        return Setting(family, name, "[TASK]", "goals", "softmax_binary", None, None)

    found = {
        of("find", "strict"): Measured([0.02, 0.04], {"precision": [0.85], "recall": [0.4]}),
        of("find", "lax"): Measured([0.3], {"precision": [0.64], "recall": [0.7]}),
        of("find", "between"): Measured([0.2], {"precision": [0.7], "recall": [0.5]}),
        of("lift", "other"): Measured([0.9], {"precision": [0.1], "recall": [0.9]}),
    }
    (row,) = misled(found)
    assert (row["measure"], row["family"], row["pairs_wrong"]) == ("precision", "find", 3)
    assert row["preferred"].startswith("strict, goals, '[TASK]'")
    assert row["better"].startswith("lax")
    assert row["success_lost"] == pytest.approx(0.27)


@pytest.fixture(scope="module")
def store(tmp_path_factory, with_store):
    """Trainings of twelve rewards and what was measured of them, as the commands log it; and some that do not count."""
    folder = with_store(tmp_path_factory.mktemp("predictors"))
    uri = f"sqlite:///{folder / 'mlflow.db'}"

    def log(params, metrics, tags):
        given = {"uri": uri, "experiment": "made", "name": "made", "spill_folder": folder}
        with MlflowRun.start(params=params, tags=tags, **given) as run:
            run.log_metrics(metrics, 0)

    for number, (model, template) in enumerate(itertools.product(MODELS, TEMPLATES)):
        skill = 0.05 * number
        trained = {
            "reward.kind": "clip",
            "reward.model": f"/somewhere/{model}/model",
            "reward.template": template,
            "reward.negatives.kind": "goals",
            "reward.tau": 0.01,
            "reward.beta": 0.2303898,
            "reward.head.form": "softmax_binary",
            "environment.id": "playhouse/Find-v0",
        }
        log(trained, {"evaluation/success_rate": skill}, {})
        measured = {"model": model, "template": template, "negatives": "goals", "tau": 0.01, "beta": 0.23039}
        metrics = {"find/average_precision": skill + 0.1, "find/precision": 1 - skill, "find/precision_low": 0.0}
        metrics |= {"lift/average_precision": 0.5}
        log({**measured, "head": "softmax_binary"}, metrics, {"command": "offline_pr"})
        if number == 0:
            log({**trained, "reward.tau": 0.5}, {"evaluation/success_rate": 0.9}, {})
            log({**trained, "reward.head.agree.need": 2, "reward.head.agree.of": 3}, {"evaluation/success_rate": 1}, {})
            log({**trained, "reward.kind": "ground_truth"}, {"evaluation/success_rate": 0.9}, {})
            pressed = {**measured, "head.form": "softmax_binary", "environment.id": "playhouse/Find-v0"}
            log(pressed, {"best_of_n/precision": 0.5, "best_of_n/nats": 3.0}, {"command": "pressure"})
    return folder


def test_trainings_and_measures_of_one_setting_find_each_other(store):
    from experiments.shared.stored_runs import runs_of

    runs = [run for _, run in runs_of(f"sqlite:///{store / 'mlflow.db'}")]
    found = gather(runs)
    assert len(found) == 12
    first = next(
        one for setting, one in found.items() if setting.model == "pocket-xs" and setting.template == TEMPLATES[0]
    )
    assert first.success == [0.0]
    assert first.measures == {
        "average_precision": [0.1],
        "precision": [1.0],
        "pressure best_of_n/precision": [0.5],
    }
    loose = gather(runs, ())
    first = next(
        one for setting, one in loose.items() if setting.model == "pocket-xs" and setting.template == TEMPLATES[0]
    )
    assert sorted(first.success) == [0.0, 0.9], "another temperature, then, is the same setting; agreement is not"


def test_the_command_writes_its_tables(store, tmp_path):
    arguments = ["--mlflow-uri", f"sqlite:///{store / 'mlflow.db'}", "--output", str(tmp_path), "--resamples", "50"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert (
        "12 settings with 12 agents. Best on the half that measures are chosen on: average_precision" in result.output
    )
    rows = {row["measure"]: row for row in csv.DictReader((tmp_path / "predictors.csv").open())}
    assert float(rows["average_precision"]["all_spearman"]) == pytest.approx(1)
    assert float(rows["precision"]["all_spearman"]) == pytest.approx(-1)
    assert rows["pressure best_of_n/precision"]["all_spearman"] == ""
    with Image.open(tmp_path / "predictors.png") as figure:
        assert np.asarray(figure).std() > 10
    (worst,) = csv.DictReader((tmp_path / "misled.csv").open())
    assert (worst["measure"], float(worst["success_lost"])) == ("precision", pytest.approx(0.55))


def test_stores_without_anything_in_common_are_one_clear_line(store, tmp_path, with_store):
    empty = with_store(tmp_path / "empty")
    result = CliRunner().invoke(app, ["--mlflow-uri", f"sqlite:///{empty / 'mlflow.db'}", "--output", str(tmp_path)])
    assert result.exit_code == 2
    assert "name further stores with --also" in result.output
    missing = ["--also", f"sqlite:///{tmp_path / 'none.db'}"]
    result = CliRunner().invoke(app, ["--mlflow-uri", f"sqlite:///{empty / 'mlflow.db'}", *missing])
    assert result.exit_code == 1
    assert "there is no MLflow store" in result.output
