"""The report of studies that lie in a real MLflow store, written as the studies write them."""

import base64
import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt
from mlflow.tracking import MlflowClient
from PIL import Image
from typer.testing import CliRunner

from experiments.report import app
from experiments.shared.preset_files import load_preset
from experiments.study.command import study_command
from experiments.study.study_config import StudyConfig
from experiments.study.study_folder import StudyFolder, StudyRecord
from experiments.study.trials import plan_trials
from experiments.study_report.document import Findings
from experiments.study_report.kinds import STUDY_KINDS
from experiments.study_report.reading import StudyReader
from experiments.study_report.study_kind import StudyKind
from tests.experiments.study_writer import SIZES, StudyWriter, gif, write_model_size
from tests.vlm_rewards.evaluation.recording.recorded import grid_recording
from vlm_rewards.tracking.store import default_uri


@pytest.fixture(scope="module")
def store(tmp_path_factory, with_store):
    """One store with three studies; `curves` was run twice, and its newest run has failed and running trials."""
    folder = with_store(tmp_path_factory.mktemp("store"))
    StudyWriter(folder, "learning_curves", "curves", "An older run").close()
    write_model_size(folder)
    empty = StudyWriter(folder, "prompts", "barren")
    empty.trial("Find", "D", 0, {"order": 4}, 0.3, 0.2, end=ValueError("the disk is full"))
    empty.close()
    StudyWriter(folder, "fashion", "of no kind").close()
    curves = StudyWriter(folder, "learning_curves", "curves", "Returns along training")
    curves.trial("Find", "pocket-m", 0, {}, 0.8, 0.6, precision=0.75)
    curves.trial("Find", "pocket-m", 1, {}, 0.7, 0.5, precision=0.85)
    curves.trial("Find", "pocket-m", 2, {}, 0.7, 0.5, end=RuntimeError("a replica | died"))
    curves.trial("Find", "oracle", 0, {}, 0.8, 0.8, kind="ground_truth")
    curves.trial("Lift", "pocket-m", 0, {}, 0.8, 0.02, alarm=8)
    curves.trial("Lift", "pocket-m", 1, {}, 0.8, 0.05, end="RUNNING")
    curves.trial("Pick and Place", "pocket-m", 0, {}, 0.8, 0.05, end="SCHEDULED")
    return folder


def render(folder: Path, study: str, output: Path):
    done = CliRunner().invoke(app, [study, "--mlflow-uri", default_uri(folder), "--output", str(output)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def curves(store, tmp_path_factory):
    """The report of `curves`: its folder and what the command said."""
    output = tmp_path_factory.mktemp("curves")
    return output, render(store, "curves", output)


@pytest.fixture(scope="module")
def sizes(store, tmp_path_factory):
    """The folder of the report of `sizes`."""
    output = tmp_path_factory.mktemp("sizes")
    render(store, "sizes", output)
    return output


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


class References(HTMLParser):
    """Collects what a page refers to, its elements and its words."""

    def __init__(self, page: str):
        super().__init__()
        self.addresses, self.elements, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "srcset", "href", "data", "action"}]

    def handle_data(self, data):
        self.text += data


def test_the_newest_run_of_a_name_is_shown_with_how_many_trials_have_finished(curves):
    output, said = curves
    assert "4 of 7 trials finished (1 failed, 1 running, 1 scheduled)" in said
    page = (output / "report.html").read_text()
    assert "Returns along training" in page
    assert "An older run" not in page
    assert "4 of 7 trials finished" in page


def test_numbers_of_learning_curves_are_those_put_in(curves):
    find, lift, waiting = rows(curves[0] / "summary.csv")
    assert float(find["held_out_success_rate"]) == pytest.approx(0.55)
    assert (float(find["held_out_success_rate_low"]), float(find["held_out_success_rate_high"])) == (0.5, 0.6)
    assert find["interval"] == "mean and range of two seeds"
    assert float(find["online_precision_last_quarter"]) == pytest.approx(0.8)
    assert float(find["share_of_true_reward_agent"]) == pytest.approx(0.55 / 0.8, abs=1e-5)
    assert float(find["random_success_rate"]) == pytest.approx(0.1)
    assert float(find["pearson"]) > 0.98
    # Success falls while the reward return rises.
    assert float(lift["pearson"]) < -0.5
    assert (lift["seeds"], lift["alarms"], lift["first_alarm_env_steps"]) == ("1", "1", str(9 * 2048))
    assert (waiting["task"], waiting["seeds"], waiting["held_out_success_rate"]) == ("Pick and Place", "0", "")
    assert lift["interval"] == "one seed, 95 % Wilson over episodes"
    assert (float(lift["held_out_success_rate_low"]), float(lift["held_out_success_rate_high"])) == pytest.approx(
        (-0.03, 0.07)
    )


def test_failed_and_running_trials_are_listed_with_their_reason_and_run_id(store, curves):
    trials = rows(curves[0] / "trials.csv")
    assert len(trials) == 7
    failed = next(trial for trial in trials if trial["status"] == "FAILED")
    assert failed["end_reason"] == "RuntimeError: a replica | died"
    assert MlflowClient(default_uri(store)).get_run(failed["mlflow_run_id"]).data.tags["study.seed"] == "2"
    assert [trial["status"] for trial in trials].count("RUNNING") == 1
    page = (curves[0] / "report.html").read_text()
    assert "RuntimeError: a replica | died" in page
    assert failed["mlflow_run_id"] in page
    # A bar in a cell would end it.
    assert "a replica \\| died" in (curves[0] / "report.md").read_text()


def test_the_page_needs_nothing_beside_itself(sizes):
    page = (sizes / "report.html").read_text()
    found = References(page)
    assert found.addresses
    assert all(address.startswith("data:image/") for address in found.addresses)
    assert not {"script", "link", "iframe", "object"} & set(found.elements)
    assert not re.search(r"url\(|@import|https?://", page)
    # A title is text, whatever it holds.
    assert "Larger models, <b>better</b> agents?" in found.text


def test_every_figure_is_there_for_light_and_dark_pages(sizes):
    found = References((sizes / "report.html").read_text())
    pictures = [address for address in found.addresses if address.startswith("data:image/png")]
    assert len(pictures) == len(set(pictures)) == 8
    for name in ("find_curves", "find_final", "find_offline", "find_offline_final", "model_size"):
        with Image.open(sizes / f"{name}.png") as image:
            assert min(image.size) >= 500
            assert len(set(image.convert("L").resize((50, 50)).getdata())) > 5, f"{name} is blank"


def test_rank_correlations_are_those_of_the_numbers_put_in(sizes):
    found = {row["property"]: row for row in rows(sizes / "correlations.csv")}
    assert set(found) == {
        "parameter count",
        "offline AP (negatives: goals)",
        "offline AP (negatives: goals and states)",
    }
    size = found["parameter count"]
    # Returns .2 .26 | .35 .41 | .55 .61: three pairs of tied ranks against six ranks.
    assert float(size["spearman"]) == pytest.approx(16 / np.sqrt(16 * 17.5), abs=1e-5)
    assert float(size["spearman_of_arm_means"]) == pytest.approx(1.0)
    assert (size["trials"], size["arms"], size["p_value_exact"]) == ("6", "3", "True")
    # Two of six orders of three arms are as extreme; of the 720 orders of trials 2 * (2! 2! 2!).
    assert float(size["p_value_of_arm_means"]) == pytest.approx(2 / 6, abs=1e-5)
    assert float(size["p_value"]) == pytest.approx(16 / 720, abs=1e-5)


def test_trials_that_all_end_alike_are_said_to_rank_nothing(store, tmp_path):
    study = StudyWriter(store, "prompts", "alike")
    for arm, order in (("A", 0), ("D", 3)):
        for seed in (0, 1):
            study.trial("Find", arm, seed, {"order": order}, 0.5, 0.5)
    study.close()
    render(store, "alike", tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert (
        "all 4 trials ended with the same held-out success rate; claimed order of templates has nothing to rank" in text
    )
    assert "one seed an arm" not in text


def test_the_reference_agent_is_known_by_its_reward_and_is_no_size(sizes):
    summary = {row["arm"]: row for row in rows(sizes / "summary.csv")}
    assert list(summary) == [*SIZES, "oracle"]
    assert float(summary["oracle"]["held_out_success_rate"]) == pytest.approx(0.8)
    assert summary["pocket-s"]["offline_average_precision_goals"] == "0.3"


def test_videos_are_those_of_the_median_seed(store, tmp_path):
    study = StudyWriter(store, "prompts", "films", iterations=3)
    for seed, truth in ((0, 0.9), (1, 0.2), (2, 0.5)):
        study.trial("Open App", "D", seed, {"order": 4, "template": "Screenshot of [TASK]"}, 0.5, truth)
    study.close()
    render(store, "films", tmp_path)
    found = References((tmp_path / "report.html").read_text())
    films = [address for address in found.addresses if address.startswith("data:image/gif")]
    assert [base64.b64decode(film.split(",")[1]) for film in films] == [gif("green", 2), gif("brown", 2)]
    assert "best goal (success 0.90), seed 2" in found.text
    assert "worst goal (success 0.05), seed 2" in found.text


def test_three_seeds_have_interquartile_means_task_by_task_and_over_all_tasks(store, tmp_path):
    study = StudyWriter(store, "prompts", "seeds", iterations=3)
    ends = {"Find": (0.1, 0.2, 0.3), "Lift": (0.6, 0.7, 0.8)}
    for task, values in ends.items():
        for seed, truth in enumerate(values):
            study.trial(task, "D", seed, {"order": 4}, 0.5, truth)
    study.trial("Find", "A", 0, {"order": 1}, 0.5, 0.1)
    study.close()
    render(store, "seeds", tmp_path)
    find = next(row for row in rows(tmp_path / "summary.csv") if (row["task"], row["arm"]) == ("Find", "D"))
    assert find["interval"] == "IQM over seeds, 95 % stratified bootstrap"
    assert [float(find[f"held_out_success_rate{end}"]) for end in ("", "_low", "_high")] == [0.2, 0.1, 0.3]
    # One of A's seeds is not enough. Of six values the middle four.
    (together,) = rows(tmp_path / "all_tasks.csv")
    assert (together["arm"], together["tasks"], together["trials"]) == ("D", "2", "6")
    assert float(together["held_out_success_rate_iqm"]) == pytest.approx(0.45)
    low, high = (float(together[f"held_out_success_rate_iqm_{end}"]) for end in ("low", "high"))
    assert 0.3 < low < 0.45 < high < 0.6, "drawn within tasks, each resample has three seeds of both"


def test_names_and_reasons_are_text_wherever_they_stand(store, tmp_path):
    study = StudyWriter(store, "learning_curves", "costs $5 or $6", title="From $5 to $6 | <i>all</i>")
    study.trial("=Open_{$x^2} `a`|$b$", "A $_{1}$", 0, {}, 0.5, 0.4)
    error = ValueError("-1+cmd|' /C calc'!A0 <script>alert(1)</script>")
    study.trial("=Open_{$x^2} `a`|$b$", "A $_{1}$", 1, {}, 0.5, 0.4, end=error)
    study.close()
    render(store, "costs $5 or $6", tmp_path)
    trials = rows(tmp_path / "trials.csv")
    assert {row["task"] for row in trials} == {"'=Open_{$x^2} `a`|$b$"}
    assert not [cell for row in trials for cell in row.values() if cell.startswith(("=", "+", "@", "\t"))]
    page = (tmp_path / "report.md").read_text()
    assert "# From \\$5 to \\$6 \\| \\<i\\>all\\</i\\>" in page
    assert "=Open_{\\$x^2} \\`a\\`\\|\\$b\\$" in page
    shown = MarkdownIt("commonmark").enable("table").render(page)
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "<td>=Open_{$x^2} `a`|$b$</td>" in shown
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.count(" | ") for line in tables if "Open_" in line}) == 2, "summary and trials, one width each"
    found = References((tmp_path / "report.html").read_text())
    assert "script" not in found.elements
    assert "<script>alert(1)</script>" in found.text


def test_the_report_links_to_pages_of_episodes_frame_by_frame(store, tmp_path):
    recording = grid_recording(8)
    recording.save(tmp_path / "recording.parquet")
    content = (tmp_path / "recording.parquet").read_bytes()
    study = StudyWriter(store, "prompts", "recorded", iterations=3)
    study.trial("Open App", "A", 0, {"order": 1}, 0.5, 0.4, recording=content)
    study.trial("Open App", "B", 0, {"order": 2}, 0.5, 0.4, recording=content[:-700])
    study.trial("Open App", "C", 0, {"order": 3}, 0.5, 0.4)
    study.close()
    render(store, "recorded", tmp_path / "report")
    found = References((tmp_path / "report" / "report.html").read_text())
    (link,) = [address for address in found.addresses if not address.startswith("data:")]
    false = sum(episode.is_false_positive for episode in recording.episodes)
    assert f"Open App, A, seed 0: 8 episodes, {false} false positives" in " ".join(found.text.split())
    assert re.search(r"Open App, B, seed 0: the recording of the trial \w+ is cut off or damaged", found.text)
    page = (tmp_path / "report" / link).read_text()
    assert "Open App, A, seed 0" in page
    assert len(list((tmp_path / "report").glob("episodes_*.html"))) == 1
    assert f"[Open App, A, seed 0]({link}): 8 episodes" in (tmp_path / "report" / "report.md").read_text()


def test_a_kind_of_study_is_added_in_one_place(store, tmp_path, monkeypatch):
    monkeypatch.setattr(STUDY_KINDS, "_kinds", dict(STUDY_KINDS._kinds))
    STUDY_KINDS.add(
        StudyKind(
            name="temperatures",
            title="Temperatures of the softmax",
            summary="Train one agent for each temperature.",
            findings=lambda study: Findings([f"{study.arms('Find')} in order"], [], "", [], columns=1),
            ordered_by=("tau",),
        )
    )
    values = load_preset("studies/prompts", "smoke")
    values["arms"] = {"hot": {"settings": {"reward": {"tau": 0.1}}}, "cold": {"settings": {"reward": {"tau": 0.01}}}}
    preset = tmp_path / "taus.yaml"
    preset.write_text(yaml.safe_dump(values))
    command = study_command("temperatures").app()
    assert "Train one agent for each temperature." in CliRunner().invoke(command, ["--help"]).output
    shown = CliRunner().invoke(command, ["--preset", str(preset), "--dry-run", "--output", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    assert "2 trials" in shown.output
    planned = plan_trials(StudyConfig(**values))
    assert [(trial.arm, trial.train.reward.tau) for trial in planned] == [("hot", 0.1), ("cold", 0.01)]
    # What the command reads before it plans these: its help, and the folder of a study that is resumed.
    assert STUDY_KINDS["temperatures"].summary == "Train one agent for each temperature."
    folder = StudyFolder.create(tmp_path, StudyConfig(**values))
    folder.write_record(StudyRecord("temperatures", "0" * 32, tuple(planned)))
    assert StudyFolder.existing(folder.path, "temperatures").record().trials == tuple(planned)

    study = StudyWriter(store, "temperatures", "taus", iterations=3)
    study.trial("Find", "hot", 0, {"tau": 0.1}, 0.5, 0.4)
    study.trial("Find", "cold", 0, {"tau": 0.01}, 0.5, 0.4)
    study.close()
    render(store, "taus", tmp_path / "report")
    text = References((tmp_path / "report" / "report.html").read_text()).text
    assert "Temperatures of the softmax" in text
    assert "['cold', 'hot'] in order" in text
    assert "python -m experiments.temperatures" in text
    with pytest.raises(ValueError, match="already a kind of study 'prompts'"):
        STUDY_KINDS.add(StudyKind("prompts", "", "", lambda study: Findings([], [], "", [], columns=1)))


def test_a_trial_that_was_run_again_counts_once_and_is_listed_twice(store, tmp_path):
    study = StudyWriter(store, "prompts", "again", iterations=3)
    study.trial("Open App", "A", 0, {"order": 1}, 0.5, 0.4, end=ValueError("first try"))
    study.trial("Open App", "A", 0, {"order": 1}, 0.5, 0.4)
    study.trial("Open App", "B", 0, {"order": 2}, 0.5, 0.5)
    study.close()
    assert "2 of 2 trials finished" in render(store, "again", tmp_path)
    assert [row["superseded"] for row in rows(tmp_path / "trials.csv")].count("True") == 1
    assert "ValueError: first try" in (tmp_path / "report.html").read_text()


def test_a_parent_run_id_names_a_study_as_well(store):
    reader = StudyReader(default_uri(store))
    newest = reader.read("curves")
    older = MlflowClient(default_uri(store)).search_runs(["1"], "tags.`study.title` = 'An older run'")[0].info.run_id
    assert reader.read(newest.run_id).title == "Returns along training"
    assert reader.read(older).title == "An older run"


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ("curvse", "no study 'curvse' in the MLflow store; it has: .*barren, .*curves, .*sizes"),
        ("of no kind", "there is no kind of study 'fashion'; known: learning_curves, model_size, prompts"),
        ("barren", "0 of 1 trials finished .1 failed.; end reasons: ValueError: the disk is full"),
    ],
)
def test_a_study_that_cannot_be_shown_gets_one_clear_line(store, tmp_path, study, message):
    done = CliRunner().invoke(app, [study, "--mlflow-uri", default_uri(store), "--output", str(tmp_path / "out")])
    assert done.exit_code in (1, 2)
    assert re.fullmatch(f"error: .*{message}.*", done.output.strip())
    assert not (tmp_path / "out").exists()


def test_curves_end_with_the_evaluation_after_training(store):
    trial = StudyReader(default_uri(store)).read("sizes").finished("Find", "pocket-m")[1]
    curve = trial.curves["held_out/success_rate"]
    assert (curve.steps[-1], curve.values[-1]) == (12 * 2049, pytest.approx(0.61))
    assert trial.env_steps == 12 * 2049


def test_the_preset_is_shown_without_the_address_of_the_store(sizes):
    assert yaml.safe_load((sizes / "study.yaml").read_text()) == {"name": "sizes", "seeds": [0, 1]}
    assert "sqlite:" not in (sizes / "report.html").read_text()


def test_a_trial_is_no_study(store, curves, tmp_path):
    trial = rows(curves[0] / "trials.csv")[0]["mlflow_run_id"]
    done = CliRunner().invoke(app, [trial, "--mlflow-uri", default_uri(store)])
    assert (done.exit_code, "is a trial of the study 'curves'" in done.output) == (2, True)


def test_no_store_is_made_where_there_is_none(tmp_path):
    done = CliRunner().invoke(app, ["curves", "--mlflow-uri", default_uri(tmp_path)])
    assert done.exit_code == 1
    assert done.output.startswith("error: there is no MLflow store")
    assert not list(tmp_path.iterdir())


def test_the_report_changes_nothing_in_the_store(store, curves, sizes):
    statuses = [run.info.status for run in MlflowClient(default_uri(store)).search_runs(["1"], max_results=1000)]
    assert statuses.count("RUNNING") == 2
