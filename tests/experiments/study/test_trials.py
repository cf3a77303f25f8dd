"""What a study's preset becomes, and which mistakes are told."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.model_size import app
from experiments.shared.preset_files import load_preset, preset_names
from experiments.study.offline_table import write_offline_table
from experiments.study.study_config import StudyConfig
from experiments.study.trials import app_cpus, plan_trials, resources_of, seconds_of
from experiments.study_report.kinds import STUDY_KINDS
from vlm_rewards.encoders.loading import PACKAGED_MODELS
from vlm_rewards.errors import ConfigError
from vlm_rewards.service.served_by import Attach


def smoke(**changes):
    return StudyConfig(**{**load_preset("studies/model_size", "smoke"), **changes})


def test_every_shipped_preset_can_be_planned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in STUDY_KINDS:
        names = preset_names(f"studies/{kind}")
        assert "smoke" in names
        for name in names:
            values = load_preset(f"studies/{kind}", name)
            config = StudyConfig(**values)
            made = {Path(folder) for folder in re.findall(r"runs/[\w./-]+/model", json.dumps(values))}
            if made:
                # Of models that are made by a command, which the preset names.
                with pytest.raises(ConfigError, match="there is no such folder; make it first"):
                    plan_trials(config)
            for folder in made:
                folder.parent.mkdir(parents=True)
                folder.symlink_to(PACKAGED_MODELS / "pocket-xs")
            trials = plan_trials(config)
            shutil.rmtree("runs", ignore_errors=True)
            assert len(trials) == len(config.tasks) * len(config.arms) * len(config.seeds)
            assert len({trial.name for trial in trials}) == len(trials)


def test_trials_differ_in_arm_and_seed_alone():
    trials = plan_trials(smoke(seeds=(0, 7)))
    assert [(trial.arm, trial.seed) for trial in trials] == [
        (arm, seed) for seed in (0, 7) for arm in ("pocket-android", "pocket-android goals only", "ground truth")
    ]
    first, goals_only, truth = trials[:3]
    assert first.train.reward.negatives.kind == "goals_and_states"
    assert goals_only.train.reward.negatives.kind == "goals"
    assert truth.train.uses_ground_truth
    assert first.train.algorithm == goals_only.train.algorithm == truth.train.algorithm
    assert first.facts["parameters"] > 100_000
    assert first.facts["negatives"] == "goals_and_states"
    assert "parameters" not in truth.facts


def test_early_stopping_needs_something_to_judge_by():
    assert plan_trials(smoke(asha={"grace_steps": 1024}))
    with pytest.raises(ConfigError, match="every_steps is 1024; set it to 512 or less"):
        plan_trials(smoke(asha={"grace_steps": 512}))


def test_one_seed_more_costs_no_replica():
    one, three = plan_trials(smoke()), plan_trials(smoke(seeds=(0, 1, 2)))
    assert app_cpus(three) == app_cpus(one) == 1.0
    keys = {trial.app_key() for trial in three}
    assert len(keys) == 3  # two rewards, and none for the true one
    assert None in keys


def test_an_estimate_takes_what_ends_a_trial_first():
    config = smoke(estimate={"steps_per_second": 10, "evaluation_minutes": 0})
    (trial, *_) = plan_trials(config)
    assert seconds_of(trial, config.estimate) == pytest.approx(trial.train.total_env_steps / 10)
    limited = trial.model_copy(update={"train": trial.train.model_copy(update={"max_training_minutes": 0.5})})
    assert seconds_of(limited, config.estimate) == pytest.approx(30)
    assert seconds_of(trial, smoke(estimate={}).estimate) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "smok"], "'smoke'"),
        (["--set", "arms.huge.settings.reward.modle=x"], "modle"),
        (["--set", "sead=[1]"], "unknown key 'sead'"),
        (["--set", "tasks.Open Common Apps.train=no_such_preset"], "no_such_preset"),
        (["--set", "seeds=[]"], "seeds"),
        (["--set", "arms.a,b.settings.seed=0"], "arms"),
        (["--negatives", "none"], "negatives"),
        (["--resume", "/nowhere"], "no folder of a study"),
        (["--resume", "/nowhere", "--steps", "5"], "leave the other options out"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(arguments, message, tmp_path):
    output = [] if "--resume" in arguments else ["--output", str(tmp_path)]
    done = CliRunner().invoke(app, [*arguments, *output])
    assert done.exit_code == 2, done.output
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert message in lines[0]
    assert not list(tmp_path.iterdir()), "a half-written study was left"


def test_a_size_that_does_not_exist_is_told_before_anything_starts(tmp_path):
    done = CliRunner().invoke(app, ["--set", "arms.xxl.settings.reward.model=pocket-xxl", "--output", str(tmp_path)])
    assert done.exit_code == 2, done.output
    assert "pocket-xxl" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_dry_run_prints_trials_time_and_cost_and_writes_nothing(tmp_path):
    cost = "estimate.cost_per_cpu_hour=36"
    done = CliRunner().invoke(app, ["--smoke", "--dry-run", "--set", cost, "--output", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "3 trials" in done.stdout
    assert "ground truth" in done.stdout
    assert "minutes" in done.stdout
    assert "cost" in done.stdout
    assert not list(tmp_path.iterdir())


def test_the_offline_table_keeps_the_rows_of_the_arms(tmp_path):
    source, target = tmp_path / "offline_pr.csv", tmp_path / "offline.csv"
    head = "model,template,negatives,family,average_precision,average_precision_low,average_precision_high"
    source.write_text(f"{head}\npocket-android,D,goals,all,0.5,0.4,0.6\nother,D,goals,all,0.9,0.8,1\n")
    write_offline_table(source, plan_trials(smoke()), target)
    assert target.read_text().splitlines() == [
        "arm,family,negatives,average_precision,low,high",
        "pocket-android,all,goals,0.5,0.4,0.6",
        "pocket-android goals only,all,goals,0.5,0.4,0.6",
    ]
    source.write_text(f"{head}\nother,D,goals,all,0.9,0.8,1\n")
    with pytest.raises(ConfigError, match="no row"):
        write_offline_table(source, plan_trials(smoke()), target)
    with pytest.raises(ConfigError, match="cannot read"):
        write_offline_table(tmp_path / "none.csv", plan_trials(smoke()), target)


@pytest.mark.parametrize("seeds", [[0, 0], [1, 2, 1], [-1]])
def test_a_seed_is_no_two_trials(seeds):
    with pytest.raises(ConfigError, match="seeds must differ"):
        smoke(seeds=seeds)


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("local:///tmp/x", "cannot write to local"),
        ("ftp://host/x", "cannot write to ftp"),
        ("s3://key:secret@bucket/x", "would be written into records"),
        ("/proc/studies", "cannot be written"),
    ],
)
def test_a_storage_that_cannot_be_is_refused_before_ray_starts(storage, message, tmp_path):
    done = CliRunner().invoke(app, ["--smoke", "--output", str(tmp_path / "runs"), "--set", f"storage={storage}"])
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_trial_asks_for_the_cpus_and_gpus_of_its_learners_and_env_runners():
    def bundles(**settings):
        values = load_preset("studies/model_size", "smoke")
        values["settings"] |= settings
        (trial, *_) = plan_trials(StudyConfig(**values))
        return resources_of(trial)

    assert bundles() == [{"CPU": 1}]
    assert bundles(sampling={"num_env_runners": 2, "num_gpus_per_learner": 0.5}) == [
        {"CPU": 1, "GPU": 0.5},
        {"CPU": 1},
        {"CPU": 1},
    ]
    many = {"num_env_runners": 1, "num_learners": 2, "num_gpus_per_learner": 1}
    on_gpus = {"kind": "in_process", "num_gpus": 0.25}
    assert bundles(sampling=many, served_by=on_gpus) == [
        {"CPU": 1},
        {"CPU": 1, "GPU": 1},
        {"CPU": 1, "GPU": 1},
        {"CPU": 1, "GPU": 0.25},
    ]
    # Without env runners the reward is computed where the trial is.
    assert bundles(served_by=on_gpus) == [{"CPU": 1, "GPU": 0.25}]


def test_trials_attach_to_what_the_study_deploys_and_know_it_by_its_fingerprint():
    (trial, *_) = plan_trials(smoke(settings={"served_by": {"kind": "deploy", "timeout_s": 7}}))
    assert trial.way_to_reward() == trial.train.served_by
    deployed = trial.model_copy(update={"reward_app": "reward-x", "reward_fingerprint": "0" * 64})
    assert deployed.way_to_reward() == Attach(app="reward-x", fingerprint="0" * 64, timeout_s=7)
    (trial, *_) = plan_trials(smoke(settings={"served_by": {"kind": "attach", "app": "reward-y"}}))
    assert trial.app_key() is None
    asked = trial.model_copy(update={"reward_fingerprint": "1" * 64})
    assert asked.way_to_reward() == Attach(app="reward-y", fingerprint="1" * 64)
    (alone, *_) = plan_trials(smoke(settings={"served_by": {"kind": "in_process"}}))
    assert alone.service_key() is None
