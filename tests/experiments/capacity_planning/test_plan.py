"""The planner: its arithmetic, two runs that were measured, and a preset that trains."""

import itertools
import math

import pytest
import yaml
from typer.testing import CliRunner

from experiments.capacity import app
from experiments.capacity_planning.config import CapacityConfig, Counts
from experiments.capacity_planning.plan import figures, plan, rate
from experiments.shared.preset_files import load_preset, preset_names
from vlm_rewards.errors import ConfigError

COSTS = {
    "name": "p",
    "env_steps": 10**6,
    "step": {"environment_ms": 6, "overhead_ms": 2},
    "reward": {"frames_per_second": 500, "gpus": 0.5, "scaling": 1.0},
    "learner": {"step_ms": 1},
}


def config(**changes):
    return CapacityConfig(**(COSTS | changes))


def shipped(name):
    return CapacityConfig(**load_preset("capacity", name, []))


def test_one_runner_and_one_learner_take_turns():
    # 6 + 2 and 2 for the reward it waits for, then 1 for learning
    assert rate(config(counts=Counts(replicas=1)), Counts(replicas=1)) == pytest.approx(1000 / 11)


def test_learning_beside_sampling_costs_no_time_until_it_is_slower():
    counts = Counts(runners=4, replicas=1)
    beside = config(learner={"step_ms": 1, "overlaps": True}, counts=counts)
    assert rate(beside, counts) == pytest.approx(400)
    slow = config(learner={"step_ms": 5, "overlaps": True}, counts=counts)
    assert rate(slow, counts) == pytest.approx(200)
    assert plan(slow).bottleneck == "learners"


def test_replicas_limit_runners_and_a_cache_lifts_the_limit():
    counts = Counts(runners=50, replicas=1)
    base = config(counts=counts)
    assert plan(base).bottleneck == "replicas"
    cached = config(counts=counts, reward=COSTS["reward"] | {"cache_hit_rate": 0.9})
    # 50 runners of 10 ms ask for 5,000 frames, of which a replica gives 500; of a tenth of them it gives all.
    assert rate(base, counts) == pytest.approx(1 / (1 / 500 + 1 / 1000))
    assert rate(cached, counts) == pytest.approx(1 / (1 / 5000 + 1 / 1000))


@pytest.mark.parametrize(("hours", "overlaps"), itertools.product([0.1, 1, 10], [False, True]))
def test_the_smallest_counts_reach_the_target_and_fewer_runners_do_not(hours, overlaps):
    wanted = config(hours=hours, learner={"step_ms": 1, "overlaps": overlaps})
    result = plan(wanted)
    assert result.hours <= hours * 1.0001
    if result.counts.runners > 1:
        fewer = result.counts.model_copy(update={"runners": result.counts.runners - 1})
        assert wanted.env_steps / rate(wanted, fewer) / 3600 > hours
    for gain in result.gains:
        assert gain.rate >= result.rate * (1 - 1e-9)


def test_steps_a_day_are_hours():
    by_day = plan(config(steps_per_day=24 * 10**6))
    assert by_day.counts == plan(config(hours=1)).counts


def test_money_is_hours_times_what_runs_in_them():
    counts = Counts(runners=3, replicas=2, learners=1)
    result = plan(config(counts=counts, prices={"cpu_hour": 0.1, "gpu_hour": 2}))
    assert (result.cpus, result.gpus) == (6, 1)
    assert result.cost == pytest.approx(result.hours * (6 * 0.1 + 1 * 2))
    assert plan(config(counts=counts, prices={"cpu_hour": 0.1})).cost is None


@pytest.mark.parametrize(
    ("preset", "measured"),
    [
        # docs/results/playhouse.md: 530,148 steps in 19 minutes
        ("find_small_ground_truth", 530_148 / (19 * 60)),
        # docs/results/playhouse.md: 254,609 steps in 30 minutes, beside other work
        ("find_small", 254_609 / (30 * 60)),
    ],
)
def test_two_runs_that_were_measured_are_within_a_fifth(preset, measured):
    assert plan(shipped(preset)).rate == pytest.approx(measured, rel=0.2)


def test_the_papers_scale_is_reached_and_says_what_is_assumed():
    paper = shipped("paper")
    result = plan(paper)
    assert (paper.env_steps, paper.hours) == (150_000_000, 72)
    assert result.hours <= 72
    assert result.gpus >= result.counts.learners
    assert figures(paper)["reward.frames_per_second"].assumed
    assert "reward.frames_per_second" in CliRunner().invoke(app, []).output


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"step": {"overhead_ms": 2}}, "step.environment_ms is not known: measure it"),
        ({"reward": {}}, "reward.frames_per_second is not known"),
        ({"learner": {}}, "learner.step_ms is not known"),
        ({"hours": 1, "steps_per_day": 5}, "name one target"),
        ({"counts": None}, "name one target"),
        ({"counts": {"replicas": 0}}, "counts.replicas is 0"),
        ({"reward": {"frames_per_second": 5, "cache_hit_rate": 1.0}}, "must be below 1"),
        ({"step": {"environment_ms": {"value": 1, "source": "hearsay"}, "overhead_ms": 1}}, "source"),
    ],
)
def test_what_is_not_known_is_asked_for(changes, said):
    with pytest.raises(ConfigError, match=said):
        CapacityConfig(**({**COSTS, "counts": {"replicas": 1}} | changes))


@pytest.mark.parametrize("preset", preset_names("capacity"))
def test_the_written_preset_is_one_that_trains(preset, tmp_path):
    from experiments.training.config import TrainConfig

    path = tmp_path / "planned.yaml"
    result = CliRunner().invoke(app, ["--preset", preset, "--write", str(path)])
    assert result.exit_code == 0, result.output
    planned = plan(shipped(preset))
    train = TrainConfig(**load_preset("train", str(path), []))
    assert train.total_env_steps == shipped(preset).env_steps
    assert train.sampling.num_env_runners == planned.counts.runners
    if shipped(preset).reward.served:
        assert train.served_by.replicas.minimum == planned.counts.replicas
        assert math.isclose(train.served_by.num_gpus, shipped(preset).reward.gpus)
    assert yaml.safe_load(path.read_text())["extends"] == shipped(preset).train_preset
