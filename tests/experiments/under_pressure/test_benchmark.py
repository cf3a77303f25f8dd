"""The whole benchmark on a grid whose reward sometimes sees what is not there, against plain counting."""

import csv
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from experiments.pressure import app
from experiments.under_pressure.config import PressureConfig
from experiments.under_pressure.recording import Recording
from experiments.under_pressure.rewards import as_seldom_beta
from tests.vlm_rewards.environment.grid_env import ENCODER, SIZE, TASKS, ColouredGridEnv
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import NegativesSpec
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.tracking.store import open_experiment

STEPS, TRIES, STARTS, SCENES = 6, 12, 5, 4
PRESET = {
    "name": "grid",
    "tasks": {
        "jump": {"environment": "grid/Jump-v0", "steps": STEPS, "template": "D", "taus": [0.1], "beta": 0.9},
        "jump_tuned": {
            "environment": "grid/Jump-v0",
            "steps": STEPS,
            "template": "D",
            "taus": [0.05, 0.1],
            "precision": 0.3,
            "further_templates": ["C"],
        },
    },
    "models": ["fake"],
    "negatives": [{"kind": "goals_and_states"}],
    "heads": {"paper": {}, "both": {"form": "unanimous", "templates": ["C"]}, "twice": {"agree": {"need": 2, "of": 2}}},
    "starts": STARTS,
    "tries": TRIES,
    "levels": [1, 4, 12],
    "gamma": 0.9,
    "perturbed": SCENES,
    "pilot": {"seed": 100, "starts": 8, "random": 2, "scripted": 1},
    "cem": {"starts": 2, "models": ["fake"], "iterations": 2, "population": 8},
    "films": 2,
    "resamples": 50,
}


class AskedGrid(ColouredGridEnv):
    """The grid, asked for a goal; its reward frames show any caption in three of ten states."""

    task_set = TASKS
    resets = 0

    def __init__(self, **options):
        super().__init__(terminate_on_success=False, max_episode_steps=options["max_episode_steps"], blind=0.3)
        assert options["terminate_on_success"] is False

    def reset(self, *, seed=None, options=None):
        type(self).resets += 1
        super().reset(seed=seed)
        self.goal_id = options["goal_id"]
        return self._observation(), self._info()

    def render(self):
        return np.kron(self._observation()["image"], np.ones((8, 8, 1), np.uint8))


def straight_there(env, rng):
    while True:
        y, x = env.unwrapped.cells[env.unwrapped.goal_id]
        yield y * SIZE + x


@pytest.fixture(scope="module")
def finished(tmp_path_factory, with_store):
    """Folder of a run, what it printed, and how often environments were reset for it."""
    folder = with_store(tmp_path_factory.mktemp("pressure"))
    (folder / "preset.yaml").write_text(yaml.safe_dump(PRESET))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.under_pressure.recording.make_env", lambda _, **options: AskedGrid(**options))
        patch.setattr("experiments.under_pressure.task_search.act_by_script", straight_there)
        AskedGrid.resets = 0
        result = CliRunner().invoke(app, ["--preset", str(folder / "preset.yaml"), "--output", str(folder)])
        assert result.exit_code == 0, result.output
        resets = AskedGrid.resets
        run = folder / "grid-1"
        shutil.copytree(run, folder / "before")
        (run / "pressure.csv").unlink()
        (run / "levels" / "cem_jump_truth.json").unlink()
        again = CliRunner().invoke(app, ["--resume", str(run)])
        assert again.exit_code == 0, again.output
        return folder, resets, AskedGrid.resets - resets


def rows_of(path, **wanted):
    rows = list(csv.DictReader(path.open()))
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_levels_are_those_of_the_rewards_as_they_are_served(finished):
    folder, _, _ = finished
    recording = Recording.load(folder / "grid-1" / "episodes" / "jump-random.npz")
    assert recording.actions.shape == (STARTS, TRIES, STEPS)
    for head in PRESET["heads"]:
        reward = RewardConfig(
            model="fake",
            template="D",
            negatives=NegativesSpec(kind="goals_and_states"),
            tau=0.1,
            beta=0.9,
            head=PRESET["heads"][head],
        )
        model = RewardModel(reward, TASKS, encoder=ENCODER)
        paid = np.zeros((STARTS, TRIES), bool)
        true, when = paid.copy(), np.full(paid.shape, STEPS)
        for start, begin in enumerate(recording.starts):
            for number in range(TRIES):
                env = AskedGrid(max_episode_steps=STEPS, terminate_on_success=False)
                env.reset(seed=begin.seed, options={"goal_id": begin.goal_id})
                above = []
                for t, action in enumerate(recording.actions[start, number]):
                    _, _, _, _, info = env.step(int(action))
                    above.append(model.score(env.reward_frame()[None], [begin.goal_id])[0] > np.float32(0.9))
                    assert info["goal_achieved"] == recording.episodes.achieved[start, number, t]
                    if not paid[start, number] and above[-1] and (head != "twice" or (t and above[-2])):
                        paid[start, number], true[start, number] = True, info["goal_achieved"]
                        when[start, number] = t
        random, _, best = rows_of(folder / "grid-1" / "pressure.csv", task="jump", head=head, search="best of n")
        assert float(random["reward"]) == pytest.approx(paid.mean(), abs=1e-5)
        assert float(random["true_reward"]) == pytest.approx(true.mean(), abs=1e-5)
        # Of all tries the one that is paid soonest; among equals the mean.
        soonest = when == when.min(axis=1, keepdims=True)
        expected = np.mean([true[p][soonest[p]].mean() for p in range(STARTS)])
        assert float(best["true_reward"]) == pytest.approx(expected, abs=1e-5)
        assert head != "paper" or (paid & ~true).any(), "there is something to be wrong about"


def test_perturbed_starts_keep_the_goal_and_are_searched_for_the_scene_that_is_paid_soonest(finished):
    folder, _, _ = finished
    played = Recording.load(folder / "grid-1" / "episodes" / "jump-perturbed.npz")
    goals = [goal.id for goal in TASKS.goals]
    assert [start.goal_id for start in played.starts] == [
        goals[p % len(goals)] for p in range(STARTS) for _ in range(4)
    ]
    assert len({start.seed for start in played.starts} | set(range(STARTS))) == STARTS * (SCENES + 1), (
        "all scenes differ"
    )
    reward = RewardConfig(
        model="fake", template="D", negatives=NegativesSpec(kind="goals_and_states"), tau=0.1, beta=0.9
    )
    model = RewardModel(reward, TASKS, encoder=ENCODER)
    paid, true = np.zeros((2, STARTS, SCENES))
    when = np.full((STARTS, SCENES), STEPS)
    for number, start in enumerate(played.starts):
        env, place = AskedGrid(max_episode_steps=STEPS, terminate_on_success=False), divmod(number, SCENES)
        env.reset(seed=start.seed, options={"goal_id": start.goal_id})
        for t, action in enumerate(played.actions[number, 0]):
            _, _, _, _, info = env.step(int(action))
            if model.score(env.reward_frame()[None], [start.goal_id])[0] > np.float32(0.9):
                paid[place], true[place], when[place] = 1, info["goal_achieved"], t
                break
    rows = rows_of(folder / "grid-1" / "pressure.csv", task="jump", head="paper", search="perturbed starts")
    assert [row["tries"] for row in rows] == ["1", "4"]
    assert float(rows[0]["reward"]) == pytest.approx(paid.mean(), abs=1e-5)
    soonest = when == when.min(axis=1, keepdims=True)
    expected = np.mean([true[p][soonest[p]].mean() for p in range(STARTS)])
    assert float(rows[1]["true_reward"]) == pytest.approx(expected, abs=1e-5)


def test_the_safer_head_is_compared_with_the_papers(finished):
    folder, _, _ = finished
    rows = rows_of(folder / "grid-1" / "kept.csv", task="jump", search="best of n")
    paper, twice = (next(row for row in rows if row["head"] == head) for head in ("paper", "twice"))
    assert float(paper["against_paper"]) == 1
    ratio = float(twice["true_reward"]) / float(paper["true_reward"])
    assert float(twice["against_paper"]) == pytest.approx(ratio, rel=1e-4)
    truth = rows_of(folder / "grid-1" / "pressure.csv", task="jump", head="truth", search="best of n")[-1]
    assert float(paper["kept"]) == pytest.approx(float(paper["true_reward"]) / float(truth["true_reward"]), rel=1e-4)
    assert float(truth["precision"]) == 1


def test_the_control_of_a_safer_head_is_the_papers_paid_as_seldom_on_random_pilot_episodes(finished):
    folder, _, _ = finished
    run = folder / "grid-1"
    pilot = Recording.load(run / "episodes" / "jump-pilot.npz")
    reward = RewardConfig(
        model="fake", template="D", negatives=NegativesSpec(kind="goals_and_states"), tau=0.1, beta=0.9
    )
    model = RewardModel(reward, TASKS, encoder=ENCODER)
    twice = paper = 0
    highest = []
    for start, begin in enumerate(pilot.starts):
        for number in range(PRESET["pilot"]["random"]):
            images = pilot.embeddings["fake"][pilot.frame[start, number]]
            scores = model.score_embeddings(images, [begin.goal_id] * STEPS)
            above = scores > np.float32(0.9)
            paper += above.any()
            twice += (above[1:] & above[:-1]).any()
            highest.append(scores.max())
    assert 0 < twice < paper, "there is something to be as seldom as"
    level = rows_of(run / "pressure.csv", task="jump", head="as seldom as twice")[0]
    # Above the highest score of the first episode that is one too many.
    assert float(level["beta"]) == pytest.approx(max(0.9, float(sorted(highest)[-1 - twice])), rel=1e-5)
    own, control = (
        next(row for row in rows_of(run / "kept.csv", task="jump", search="best of n") if row["head"] == head)
        for head in ("twice", "as seldom as twice")
    )
    assert float(own["pilot_paid"]) == pytest.approx(twice / len(highest), rel=1e-5)
    assert float(control["pilot_paid"]) <= float(own["pilot_paid"])
    assert control["against_as_seldom"] == ""
    if float(control["true_reward"]):
        ratio = float(own["true_reward"]) / float(control["true_reward"])
        assert float(own["against_as_seldom"]) == pytest.approx(ratio, rel=1e-4)


@pytest.mark.parametrize(("paid", "beta"), [(0, 0.9), (1, 0.9), (2, 0.7), (3, 0.5), (4, 0.5)])
def test_beta_is_raised_until_at_most_so_many_episodes_are_paid_and_never_lowered(paid, beta):
    scores = np.array([[[0.1, 0.9], [0.9, 0.2]], [[0.7, 0.3], [0.4, 0.4]]], np.float32)
    raised = as_seldom_beta(scores, paid, 0.5)
    assert raised == pytest.approx(beta)
    assert (scores > np.float32(raised)).any(axis=-1).sum() <= paid


def test_tau_and_beta_come_from_the_pilot_where_the_task_has_none(finished):
    folder, _, _ = finished
    (row, *_) = rows_of(folder / "grid-1" / "kept.csv", task="jump_tuned", head="paper")
    tuned = rows_of(folder / "grid-1" / "pressure.csv", task="jump_tuned", head="paper")[0]
    assert float(row["pilot_precision"]) >= 0.3
    assert float(tuned["tau"]) in (0.05, 0.1)
    assert float(tuned["beta"]) != 0.9
    fixed = rows_of(folder / "grid-1" / "pressure.csv", task="jump", head="paper")[0]
    assert (float(fixed["tau"]), float(fixed["beta"])) == (0.1, 0.9)


def test_a_run_that_was_cut_off_plays_only_what_is_missing(finished):
    folder, resets, further = finished
    played = 2 * (STARTS * TRIES + STARTS * SCENES + 8 * 3) + 2 * 2 * 2 * 3 * 8
    assert resets >= played
    assert further == 2 * 3 * 8, "the truth's own search was the one that was missing"
    for name in ("pressure.csv", "kept.csv", "pressure.md", "report.html"):
        assert (folder / "grid-1" / name).read_bytes() == (folder / "before" / name).read_bytes(), name


def test_a_run_leaves_a_child_run_a_reward_films_and_a_page_that_stands_alone(finished):
    folder, _, _ = finished
    client, experiment = open_experiment(f"sqlite:///{folder / 'mlflow.db'}", "pressure")
    runs = client.search_runs([experiment])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == 2 * (2 * len(PRESET["heads"]) - 1), "each head, and a control for each but the paper's"
    assert {run.info.status for run in runs} == {"FINISHED"}
    child = next(run for run in children if run.info.run_name == "jump|fake|goals_and_states|paper")
    last = rows_of(folder / "grid-1" / "pressure.csv", task="jump", head="paper", search="best of n")[-1]
    assert child.data.metrics["best_of_n/reward"] == pytest.approx(float(last["reward"]), abs=1e-5)
    film = next((folder / "grid-1" / "films").glob("jump_*.gif"))
    with Image.open(film) as gif:
        assert gif.n_frames >= 1
    page = (folder / "grid-1" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "data:image/gif;base64," in page
    assert 'src="http' not in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": [1, 13]}, r"levels must ascend from 1 to at most the tries, 12; not \[1, 13\]"),
        ({"levels": [2, 4]}, "levels must ascend from 1"),
        ({"pilot": {**PRESET["pilot"], "seed": 4}}, "its starts are among the searches' own"),
        ({"perturbed": 20}, "its starts are among the searches' own"),
        ({"heads": {"safe": {}}}, "heads needs one called 'paper'"),
        ({"heads": {"paper": {}, "as seldom as me": {}}}, "is what the control of another head is called"),
        ({"heads": {"paper": {"form": "cosine"}}}, "form 'cosine' pays no successes"),
        ({"heads": {"paper": {"agree": {"need": 1, "of": 2}}}}, "must be the plain softmax_binary"),
        ({"cem": {**PRESET["cem"], "heads": ["papr"]}}, "there is no 'papr'; did you mean 'paper'"),
        ({"only": ["jmp"]}, "there is no 'jmp'; did you mean 'jump'"),
        ({"agents": ["jump"]}, "'jump' is not TASK=FOLDER"),
        ({"agents": ["jump=a/run-1", "jump=b/run-1"]}, "two run folders have one name"),
        ({"models": ["fake", "fake"]}, "one is named twice"),
    ],
)
def test_settings_that_do_not_fit_together_are_one_clear_line(changes, message):
    with pytest.raises(ConfigError, match=message):
        PressureConfig(**{**PRESET, **changes})
