"""The trials of a study, and what they will take."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from experiments.offline.report import parameters_of
from experiments.shared.preset_files import load_preset, merged
from experiments.study.study_config import EstimateConfig, StudyConfig
from experiments.training.config import TrainConfig
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import PromptTemplate
from vlm_rewards.service.served_by import Attach, InProcess, ServedByKind
from vlm_rewards.strict_config import StrictConfig


class Trial(StrictConfig):
    """One training run of a study; goes through Tune as plain data.

    Attributes:
        task: Name of its task family.
        arm: Name of what is compared.
        seed: Seed of everything in it.
        train: The run.
        facts: Facts of the arm.
        reward_app: The Serve application that the study deploys for it; None where it deploys none.
        reward_fingerprint: Fingerprint of what that application, or another's, serves; None before it was asked.
        mlflow_run_id: Its run, prepared before it begins; empty until then.
    """

    task: str
    arm: str
    seed: int
    train: TrainConfig
    facts: dict[str, Any]
    reward_app: str | None = None
    reward_fingerprint: str | None = None
    mlflow_run_id: str = ""

    @property
    def name(self) -> str:
        """What the trial is called in tables and in MLflow."""
        return f"{self.task}, {self.arm}, seed {self.seed}"

    @property
    def cpus(self) -> int:
        """CPUs of the trial itself, the shared replicas not counted."""
        return self.train.trainer_cpus

    def way_to_reward(self) -> ServedByKind:
        """Return how the trial itself reaches its reward: what the study has deployed for it, it attaches to.

        What the study has compared already, a trial knows by its fingerprint, and loads no weights to compare.
        """
        served_by = self.train.served_by
        if self.reward_app is None:
            pinned = "fingerprint" in type(served_by).model_fields and self.reward_fingerprint is not None
            return served_by.model_copy(update={"fingerprint": self.reward_fingerprint}) if pinned else served_by
        limits = {name: getattr(served_by, name) for name in ServedByKind.model_fields if name != "kind"}
        return Attach(app=self.reward_app, fingerprint=self.reward_fingerprint, **limits)

    def app_key(self) -> str | None:
        """Return what two trials have in common that can share an application; None where the study deploys none."""
        return self.service_key() if self.train.deploys else None

    def service_key(self) -> str | None:
        """Return what two trials have in common that ask one service; None where each computes its own rewards."""
        if self.train.uses_ground_truth or isinstance(self.train.served_by, InProcess):
            return None
        environment = self.train.environment
        # Seeds share an application: neither they nor the learner are part of the reward.
        served = [part.model_dump(mode="json") for part in (self.train.reward_model, self.train.served_by)]
        parts = [*served, environment.id, environment.options.get("task_set")]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


def plan_trials(config: StudyConfig) -> list[Trial]:
    """Return the trials: arms within seeds within tasks, so that a study that is cut off has whole seeds.

    Raises:
        ConfigError: A preset is unknown, a trial's settings are not acceptable, or ASHA could not judge them.
    """
    trials = []
    for task, of_task in config.tasks.items():
        base = merged(merged(load_preset("train", of_task.train), config.settings), of_task.settings)
        for seed in config.seeds:
            for arm, of_arm in config.arms.items():
                values = merged(base, of_arm.settings)
                values["name"] = "-".join("".join(c if c.isalnum() else "_" for c in part) for part in (task, arm))
                values["seed"] = seed
                try:
                    train = TrainConfig(**values)
                except ConfigError as error:
                    raise ConfigError(f"task {task!r}, arm {arm!r}: {error}") from error
                _check_early_stopping(config, train)
                trials.append(Trial(task=task, arm=arm, seed=seed, train=train, facts=_facts(train, of_arm.facts)))
    return trials


def _check_early_stopping(config: StudyConfig, train: TrainConfig) -> None:
    """Refuse ASHA over trials that would come to its first rung without a held-out success to be judged by."""
    if config.asha is None:
        return
    every, grace = train.evaluation.every_steps, config.asha.grace_steps
    if every is None or every > grace:
        raise ConfigError(
            f"asha judges trials by held-out success from {grace:,} steps on, and settings.evaluation.every_steps is "
            f"{every}; set it to {grace} or less"
        )


def _facts(train: TrainConfig, given: dict[str, Any]) -> dict[str, Any]:
    if train.uses_ground_truth:
        return given
    reward = train.reward_model
    found = {
        "model": reward.model,
        "template": PromptTemplate.named(reward.template).text,
        "negatives": reward.negatives.kind,
        "parameters": parameters_of(reward.model),
    }
    return {**{key: value for key, value in found.items() if value is not None}, **given}


def app_cpus(trials: Sequence[Trial], most: bool = False) -> float:
    """Return the CPUs of all shared applications together, with their fewest replicas or as many as there may be."""
    cpus = {t.app_key(): t.train.most_reward_cpus if most else t.train.least_reward_cpus for t in trials}
    return sum(cpus.values())


def resources_of(trial: Trial) -> list[dict[str, float]]:
    """Return what Ray shall reserve: a bundle for the trial's own process, for each learner and for each env runner."""
    sampling, reward_gpus = trial.train.sampling, trial.train.env_runner_gpus
    # Where there are no learners the trial's process learns, and where there are no env runners it rewards too.
    own = 0.0 if sampling.num_learners else sampling.num_gpus_per_learner
    own += 0.0 if sampling.num_env_runners else reward_gpus
    gpus = [
        own,
        *[sampling.num_gpus_per_learner] * sampling.num_learners,
        *[reward_gpus] * sampling.num_env_runners,
    ]
    return [{"CPU": 1.0, "GPU": number} if number else {"CPU": 1.0} for number in gpus]


def seconds_of(trial: Trial, estimate: EstimateConfig) -> float | None:
    """Return the seconds that a trial will take, at most; None where nothing is known."""
    limits = []
    if estimate.steps_per_second:
        limits.append(trial.train.total_env_steps / estimate.steps_per_second)
    if trial.train.max_training_minutes:
        limits.append(60 * trial.train.max_training_minutes)
    return min(limits) + 60 * estimate.evaluation_minutes if limits else None
