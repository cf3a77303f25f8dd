"""One calibration from its settings to a reward preset."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from experiments.offline.config import CalibrateConfig, model_label
from experiments.offline.embedding import READER_CPUS, embed_states, store_folder
from experiments.offline.evaluation import prove
from experiments.offline.prompt_sets import load_prompt_set
from experiments.offline.report import markdown, write_csv
from experiments.offline.rewards import FamilyRewards, load_text_encoder, negatives_label, open_states, vary
from experiments.offline.tracked_run import start_run
from experiments.shared.atomic_files import write_atomically
from experiments.shared.command_line import ray_for
from experiments.shared.preset_files import load_preset
from experiments.shared.progress import Bars
from experiments.shared.run_folder import RunFolder, RunState
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import OfflineMeasures, measure, split_trajectories
from vlm_rewards.evaluation.offline.embedding_store import EmbeddingStore
from vlm_rewards.evaluation.offline.precision_recall import average_precision
from vlm_rewards.evaluation.offline.thresholds import (
    ThresholdChoice,
    choose_by_signal,
    choose_threshold,
    softmax_scores,
)
from vlm_rewards.goals import NegativesSpec, PromptTemplate
from vlm_rewards.hub.reward_file import CALIBRATION_FILE
from vlm_rewards.hub.saved_reward import CalibrationCurve
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.service.served_by import connect
from vlm_rewards.tracking import MlflowRun
from vlm_rewards.tracking.store import default_uri

# Of the curve that is kept: more than a figure shows.
_CURVE_POINTS = 100


@dataclass(frozen=True)
class Calibrated:
    """The best reward with one negative set.

    Attributes:
        reward: Reward with its tau, beta and template.
        choice: How it does on the calibration side.
        test: How it does on the test side.
    """

    reward: RewardConfig
    choice: ThresholdChoice
    test: OfflineMeasures


class Calibration:
    """Embeds, divides, chooses, tests and writes the preset."""

    def __init__(
        self, config: CalibrateConfig, output: Path, reward_file: Path | None = None, extends: str | None = None
    ) -> None:
        """Check everything that was asked for, before anything is written.

        Args:
            config: The calibration.
            output: Folder for run folders, embeddings and MLflow's store.
            reward_file: The preset to write; None takes the run's folder.
            extends: Training preset that it shall extend.

        Raises:
            ConfigError: A dataset, task set, prompt set or setting that cannot be used, or a split that leaks.
            CheckpointError: The model is no usable dual encoder.
            SelfCheckError: The model's weights are not the recorded ones.
        """
        self._config, self._output, self._reward_file, self._extends = config, output, reward_file, extends
        if config.reward.head.form != "softmax_binary":
            raise ConfigError(
                f"form {config.reward.head.form} has no beta to calibrate: the score is the reward; use softmax_binary"
            )
        if not config.reward.head.agree.is_of_one:
            raise ConfigError("beta is calibrated for states that are judged alone; leave reward.head.agree out")
        if extends is not None:
            load_preset("train", extends)
        name = config.reward.template
        self._templates = {name: name} if config.search is None else load_prompt_set(config.search).all_templates
        self._dataset, self._task_sets = open_states(config.data)
        self._dataset.check_positives()
        self._split = split_trajectories(self._dataset.states, config.split)
        self._encoder = load_text_encoder(config.reward)
        self._variants = {
            (name, negatives_label(negatives)): self._rewards(text, negatives)
            for name, text in self._templates.items()
            for negatives in config.negatives
        }

    def execute(self) -> Path:
        """Run the calibration.

        Returns:
            The reward preset.
        """
        config = self._config
        folder = RunFolder.create(
            self._output, f"{config.name}-calibration", config.model_dump(mode="json", exclude_unset=True)
        )
        uri = config.tracking.uri or default_uri(self._output)
        run = start_run(folder, uri, config.tracking.experiment, self._params(), "calibrate")
        with Bars() as bars, run, ray_for(config.served_by, READER_CPUS):
            images = self._embed(bars)
            states = self._dataset.states
            sides = [states.rows_of(side) for side in (self._split.calibration, self._split.test)]
            searched: list[dict[str, Any]] = []
            found = [self._calibrate(negatives, images, sides, searched, bars) for negatives in config.negatives]
            best = max(found, key=lambda one: self._merit(one.choice))
            path = self._reward_file or folder.path / "reward.yaml"
            self._write_preset(path, best)
            files = [path, self._write_curve(folder.path, best), *self._write_tables(folder.path, found, searched)]
            for file in files:
                run.log_artifact(file)
            self._log(run, best)
            self._say(bars, found, best, files)
        folder.write_state(RunState(run.run_id, finished=True))
        return path

    def _rewards(self, template: str, negatives: NegativesSpec) -> FamilyRewards:
        reward = vary(self._config.reward, template=template, negatives=negatives)
        return FamilyRewards(reward, self._task_sets, self._encoder)

    def _embed(self, bars: Bars) -> npt.NDArray[np.float32]:
        config = self._config
        store = EmbeddingStore(store_folder(self._output), self._encoder.fingerprint, self._dataset.manifest["files"])
        rewards = next(iter(self._variants.values()))
        family, task_set = next(iter(self._task_sets.items()))
        stage = f"embedding by {model_label(config.reward.model)}"
        with connect(config.served_by, rewards.config, task_set, encoder=self._encoder) as client:
            embed_states(self._dataset, store, client, config, lambda done, total: bars.show(stage, done, total))
            images = store.load(self._dataset.states)
            prove(self._dataset, family, images, rewards, client)
        return images

    def _calibrate(
        self,
        negatives: NegativesSpec,
        images: npt.NDArray[np.float32],
        sides: list[npt.NDArray[np.bool_]],
        searched: list[dict[str, Any]],
        bars: Bars,
    ) -> Calibrated:
        """Find template, tau and beta on the calibration side, and measure them on the test side."""
        config, states, label = self._config, self._dataset.states, negatives_label(negatives)
        calibration = states.where(sides[0])
        labels = calibration.goal_achieved
        scores: dict[str, npt.NDArray[np.float32]] = {}
        best = ("", -1.0)
        for number, name in enumerate(self._templates, start=1):
            bars.show(f"templates with {label}", number, len(self._templates))
            rewards = self._variants[name, label]
            pooled = rewards.pooled(calibration, images[sides[0]])
            scores[name] = softmax_scores(pooled, rewards.texts(), calibration.goal_id, config.taus)
            reached = [average_precision(column, labels) for column in scores[name].T]
            row = {"negatives": label, "template": name, "text": rewards.config.template}
            searched.append({**row, "tau": config.taus[int(np.argmax(reached))], "average_precision": max(reached)})
            if max(reached) > best[1]:
                best = (name, max(reached))
            else:
                del scores[name]
        name = best[0]
        choices = [self._choose(column, labels, calibration.trajectory) for column in scores[name].T]
        picked = max(range(len(choices)), key=lambda index: self._merit(choices[index]))
        choice = choices[picked]
        reward = vary(
            self._variants[name, label].config, tau=config.taus[picked], beta=float(np.clip(choice.beta, 0, 1))
        )
        # The test is of the very reward that the preset describes, not of the fast scores that chose it.
        rewards = FamilyRewards(reward, self._task_sets, self._encoder)
        test = measure(
            rewards.score(states.where(sides[1]), images[sides[1]]),
            states.where(sides[1]),
            reward.beta,
            config.resamples,
            config.seed,
            embeddings=images[sides[1]],
        )
        return Calibrated(reward, choice, test)

    def _choose(self, scores: np.ndarray, labels: np.ndarray, trajectories: np.ndarray) -> ThresholdChoice:
        config = self._config
        if config.objective == "signal":
            return choose_by_signal(scores, labels, trajectories)
        return choose_threshold(scores, labels, trajectories, config.precision, config.confidence, seed=config.seed)

    def _merit(self, choice: ThresholdChoice) -> tuple[bool, float, float]:
        """Order choices: by signal, or by recall among the precise enough and by precision among the others."""
        if self._config.objective == "signal":
            return True, choice.signal, choice.precision
        if choice.reached:
            return True, choice.recall, choice.precision
        return False, choice.precision_bound, choice.recall

    def _write_preset(self, path: Path, best: Calibrated) -> None:
        # With a preset below it what is left out would be that one's, and not what was calibrated.
        reward = best.reward.model_dump(mode="json", exclude_unset=self._extends is None)
        # A template's name says more to a reader than nothing: all that decides the reward is written out.
        reward["template"] = PromptTemplate.named(best.reward.template).text
        body = yaml.safe_dump(
            {**({"extends": self._extends} if self._extends else {}), "reward": reward}, sort_keys=False
        )
        test, choice = best.test, best.choice
        lines = [
            "# Written by: python -m experiments.calibrate",
            f"# {self._dataset.name}, families {', '.join(self._task_sets)}; "
            f"{len(self._split.calibration)} trajectories to calibrate, {len(self._split.test)} to test.",
            f"# Calibration: precision {choice.precision:.3f}, lower bound {choice.precision_bound:.3f}, "
            f"recall {choice.recall:.3f}; {choice.signal:.3f} of the trajectories ended rightly; {self._asked(choice)}",
            f"# Test: precision {test.precision:.3f} ({test.precision_interval.low:.3f} to "
            f"{test.precision_interval.high:.3f}), recall {test.recall:.3f} ({test.recall_interval.low:.3f} to "
            f"{test.recall_interval.high:.3f}).",
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, "\n".join([*lines, body]))

    def _asked(self, choice: ThresholdChoice) -> str:
        if self._config.objective == "signal":
            return "asked for the most of these."
        missed = "." if choice.reached else ", which no threshold reaches."
        return f"asked for precision {self._config.precision:g}{missed}"

    def _write_curve(self, folder: Path, best: Calibrated) -> Path:
        """Write what a saved reward and its card say of the calibration: of the test side, which chose nothing."""
        curve, test = best.test.curve.thinned(_CURVE_POINTS), best.test
        path = folder / CALIBRATION_FILE
        record = CalibrationCurve(
            dataset=self._dataset.name,
            beta=tuple(float(beta) for beta in curve.betas),
            precision=tuple(float(value) for value in curve.precision),
            recall=tuple(float(value) for value in curve.recall),
            # A threshold that rewards nothing has no precision.
            chosen={name: value for name in ("precision", "recall") if np.isfinite(value := getattr(test, name))},
        )
        write_atomically(path, record.model_dump_json(indent=1) + "\n")
        return path

    def _write_tables(self, folder: Path, found: list[Calibrated], searched: list[dict[str, Any]]) -> list[Path]:
        rows = [
            {
                "model": model_label(one.reward.model),
                "template": one.reward.template,
                "negatives": negatives_label(one.reward.negatives),
                "family": ", ".join(self._task_sets),
                "tau": one.reward.tau,
                "calibration_precision": one.choice.precision,
                "calibration_precision_bound": one.choice.precision_bound,
                "calibration_recall": one.choice.recall,
                "calibration_signal": one.choice.signal,
                "reached": one.choice.reached,
                **one.test.row(),
            }
            for one in found
        ]
        paths = [folder / "calibration.csv", folder / "calibration.md", folder / "prompt_search.csv"]
        write_csv(paths[0], rows)
        paths[1].write_text(markdown(rows), encoding="utf-8")
        write_csv(paths[2], sorted(searched, key=lambda row: -row["average_precision"]))
        return paths

    def _params(self) -> dict[str, Any]:
        config = self._config
        return {
            "dataset": self._dataset.name,
            "dataset_fingerprint": self._dataset.fingerprint,
            "calibration_trajectories": len(self._split.calibration),
            "test_trajectories": len(self._split.test),
            "families": " ".join(self._task_sets),
            "model": config.reward.model,
            "encoder_fingerprint": self._encoder.fingerprint,
            "templates": len(self._templates),
            "objective": config.objective,
            "precision_asked": config.precision,
            "confidence": config.confidence,
        }

    def _log(self, run: MlflowRun, best: Calibrated) -> None:
        metrics = {f"test/{name}": value for name, value in best.test.row().items()}
        metrics |= {"tau": best.reward.tau, "beta": best.reward.beta, "calibration/recall": best.choice.recall}
        metrics |= {"calibration/signal": best.choice.signal}
        metrics |= {"calibration/precision": best.choice.precision, "reached": float(best.choice.reached)}
        run.log_metrics(metrics, 0)

    def _say(self, bars: Bars, found: list[Calibrated], best: Calibrated, files: list[Path]) -> None:
        for one in found:
            test = one.test
            bars.tell(
                f"{negatives_label(one.reward.negatives)}: {PromptTemplate.named(one.reward.template).text!r}, "
                f"tau {one.reward.tau:g}, beta {one.reward.beta:.4g}; "
                f"test precision {test.precision:.3f} ({test.precision_interval.low:.3f} to "
                f"{test.precision_interval.high:.3f}), recall {test.recall:.3f} ({test.recall_interval.low:.3f} to "
                f"{test.recall_interval.high:.3f}), average precision {test.average_precision:.3f}"
            )
        if not best.choice.reached:
            bars.tell(
                f"no threshold reaches precision {self._config.precision:g} on the calibration side; the preset holds "
                "the nearest: use a better model, other prompts, or ask for less"
            )
        for path in files:
            bars.tell(str(path))
