"""One offline evaluation from its settings to its figure, table and MLflow runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.offline.config import OfflinePRConfig, labelled_models
from experiments.offline.embedding import READER_CPUS, embed_states, store_folder
from experiments.offline.finished_cells import FinishedCells
from experiments.offline.goal_confusions import goal_confusions, write_goal_confusion
from experiments.offline.prompt_sets import load_prompt_set
from experiments.offline.report import markdown, parameters_of, plain_name, summary_table, write_csv
from experiments.offline.rewards import FamilyRewards, load_text_encoder, negatives_label, open_states, vary
from experiments.offline.tracked_run import start_run
from experiments.shared.command_line import ray_for
from experiments.shared.progress import Bars
from experiments.shared.run_folder import RunFolder, RunState
from vlm_rewards.errors import RewardServiceError
from vlm_rewards.evaluation.offline import LabelledDataset, OfflineMeasures, measure
from vlm_rewards.evaluation.offline.confusion import GoalConfusion, worst_first
from vlm_rewards.evaluation.offline.dataset import States
from vlm_rewards.evaluation.offline.embedding_store import EmbeddingStore
from vlm_rewards.evaluation.offline.figures import SizePoint, plot_average_precision, plot_precision_recall
from vlm_rewards.evaluation.offline.measure_figures import plot_goal_confusion, plot_measures
from vlm_rewards.goals import NegativesSpec
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.service import RewardClient
from vlm_rewards.service.served_by import connect
from vlm_rewards.tracking import MlflowRun
from vlm_rewards.tracking.store import default_uri

ALL = "all"
# States whose score by the service is compared with that from its embeddings.
_PROOF_STATES = 16


@dataclass(frozen=True)
class Cell:
    """One model with one template and one negative set.

    Attributes:
        label: Label of the model.
        model: As configured.
        template: Name of the template.
        negatives: The set.
        reward: All of the reward's settings.
    """

    label: str
    model: str
    template: str
    negatives: NegativesSpec
    reward: RewardConfig

    @property
    def key(self) -> str:
        """Name of the cell's MLflow run and files."""
        return f"{self.label}|{self.template}|{negatives_label(self.negatives)}"


class OfflineEvaluation:
    """Embeds, scores, measures and reports."""

    def __init__(self, config: OfflinePRConfig, output: Path, folder: RunFolder | None = None) -> None:
        """Check everything that was asked for, before anything is written.

        Args:
            config: The evaluation.
            output: Folder for run folders, embeddings and MLflow's store.
            folder: Folder of the run to continue; None starts a new one.

        Raises:
            ConfigError: A dataset, task set, prompt set or setting that cannot be used.
            CheckpointError: A model that is no usable dual encoder.
            SelfCheckError: A model whose weights are not the recorded ones.
        """
        self._config, self._output, self._folder = config, output, folder
        templates = {config.reward.template: config.reward.template}
        if config.prompts is not None:
            templates = load_prompt_set(config.prompts).all_templates
        self._labels = labelled_models(config.models)
        self._templates = templates
        self._dataset, self._task_sets = open_states(config.data)
        self._dataset.check_positives()
        # All of them now: a wrong model should not cost the time of those before it.
        self._encoders = {label: load_text_encoder(vary(config.reward, model=m)) for label, m in self._labels.items()}
        self._parameters = {label: parameters_of(model) for label, model in self._labels.items()}
        self._rewards = {
            cell.key: FamilyRewards(cell.reward, self._task_sets, self._encoders[cell.label]) for cell in self._cells()
        }

    def execute(self) -> Path:
        """Run the evaluation.

        Returns:
            The run's folder.
        """
        config = self._config
        if self._folder is None:
            self._folder = RunFolder.create(
                self._output, config.name, config.model_dump(mode="json", exclude_unset=True)
            )
        folder = self._folder
        uri = config.tracking.uri or default_uri(self._output)
        run = start_run(folder, uri, config.tracking.experiment, self._params(), "offline_pr")
        with Bars() as bars, run, ray_for(config.served_by, READER_CPUS):
            measures: dict[str, dict[str, OfflineMeasures]] = {}
            for label in self._labels:
                images = self._embed(label, bars)
                for cell in (cell for cell in self._cells() if cell.label == label):
                    bars.say(f"measuring {cell.key.replace('|', ', ')}")
                    measures[cell.key] = self._measure(cell, images, uri, run.run_id)
            self._report(measures, run, bars)
        folder.write_state(RunState(run.run_id, finished=True))
        bars.tell(f"results: {folder.path}")
        return folder.path

    def _cells(self) -> list[Cell]:
        return [
            Cell(
                label,
                model,
                name,
                negatives,
                vary(self._config.reward, model=model, template=text, negatives=negatives),
            )
            for label, model in self._labels.items()
            for name, text in self._templates.items()
            for negatives in self._config.negatives
        ]

    def _embed(self, label: str, bars: Bars) -> npt.NDArray[np.float32]:
        """Return the embeddings of all states, float32 (N, D), and proves that the service scores as they do."""
        config, encoder = self._config, self._encoders[label]
        store = EmbeddingStore(store_folder(self._output), encoder.fingerprint, self._dataset.manifest["files"])
        first = next(cell for cell in self._cells() if cell.label == label)
        family, task_set = next(iter(self._task_sets.items()))
        with connect(config.served_by, first.reward, task_set, encoder=encoder) as client:
            embed_states(
                self._dataset,
                store,
                client,
                config,
                lambda done, total: bars.show(f"embedding by {label}", done, total),
            )
            images = store.load(self._dataset.states)
            prove(self._dataset, family, images, self._rewards[first.key], client)
        return images

    def _measure(
        self, cell: Cell, images: npt.NDArray[np.float32], uri: str, parent: str
    ) -> dict[str, OfflineMeasures]:
        """Score all states by one cell, measure each family and all together, and log it as a child run."""
        assert self._folder is not None
        config, states, rewards = self._config, self._dataset.states, self._rewards[cell.key]
        scores = rewards.score(states, images)
        goals = goal_confusions(rewards, states, images)
        found = {}
        families = list(self._task_sets)
        for name in [ALL, *families] if len(families) > 1 else families:
            rows = np.arange(len(states)) if name == ALL else np.flatnonzero(states.family == name)
            found[name] = measure(
                scores[rows],
                states.where(rows),
                cell.reward.beta,
                config.resamples,
                config.seed,
                dense=not cell.reward.head.terminates,
                embeddings=images[rows],
                confusions=list(goals.values()) if name == ALL else [goals[name]],
            )
        finished = FinishedCells(self._folder.path)
        if cell.key in finished.runs():
            return found
        folder = self._folder.path / "cells" / _file_name(cell.key)
        folder.mkdir(parents=True, exist_ok=True)
        _write_scores(folder / "scores.parquet", self._dataset, scores)
        write_confusion(folder / "confusion.csv", self._dataset, images, scores, rewards)
        write_goal_confusion(folder / "goal_confusion.csv", goals)
        plot_goal_confusion(goals, folder / "goal_confusion.png", cell.key.replace("|", ", "))
        with MlflowRun.start(
            uri=uri,
            experiment=config.tracking.experiment,
            name=cell.key,
            params={
                "model": cell.model,
                "template": cell.reward.template,
                "negatives": negatives_label(cell.negatives),
                "tau": cell.reward.tau,
                "beta": cell.reward.beta,
                "head": cell.reward.head.form,
                "head.agree.need": cell.reward.head.agree.need,
                "head.agree.of": cell.reward.head.agree.of,
                "encoder_fingerprint": self._encoders[cell.label].fingerprint,
                "dataset": self._dataset.name,
                "dataset_fingerprint": self._dataset.fingerprint,
            },
            tags={"command": "offline_pr"},
            spill_folder=folder,
            parent_run_id=parent,
            note=f"{cell.key.replace('|', ', ')} on the dataset {self._dataset.name}, family by family.",
        ) as child:
            child.log_metrics(
                {f"{family}/{name}": value for family, row in found.items() for name, value in row.row().items()}, 0
            )
            for path in sorted(folder.iterdir()):
                child.log_artifact(path)
        finished.add(cell.key, child.run_id)
        return found

    def _report(self, measures: dict[str, dict[str, OfflineMeasures]], run: MlflowRun, bars: Bars) -> None:
        assert self._folder is not None
        rows = []
        for cell in self._cells():
            for family, found in measures[cell.key].items():
                rows.append(
                    {
                        "model": cell.label,
                        "parameters": self._parameters[cell.label],
                        "template": cell.template,
                        "negatives": negatives_label(cell.negatives),
                        "family": family,
                        "tau": cell.reward.tau,
                        **found.row(),
                    }
                )
        files = [self._folder.path / "offline_pr.csv", self._folder.path / "offline_pr.md"]
        write_csv(files[0], rows)
        files[1].write_text(markdown(rows), encoding="utf-8")
        files += self._figures(measures)
        for path in files:
            run.log_artifact(path)
        bars.console.print(summary_table(rows))
        for path in files:
            bars.tell(str(path))

    def _figures(self, measures: dict[str, dict[str, OfflineMeasures]]) -> list[Path]:
        assert self._folder is not None
        families = list(next(iter(measures.values())))
        columns = [negatives_label(negatives) for negatives in self._config.negatives]
        curves: dict[tuple[str, str], dict[str, Any]] = {(f, c): {} for f in families for c in columns}
        for cell in self._cells():
            name = cell.label if len(self._templates) == 1 else f"{cell.label}, {cell.template}"
            for family, found in measures[cell.key].items():
                curves[family, negatives_label(cell.negatives)][name] = found.curve
        first = next(iter(measures.values()))
        base_rates = {family: first[family].positives / first[family].states for family in families}
        paths = []
        for name, shown in (("precision_recall.png", families[:1]), ("precision_recall_by_family.png", families[1:])):
            if shown:
                paths.append(self._folder.path / name)
                title = f"{self._dataset.name}: {first[families[0]].trajectories:,} trajectories, beta swept"
                plot_precision_recall(curves, shown, columns, paths[-1], title, base_rates)
        paths.append(self._folder.path / "measures.png")
        rows = {}
        for cell in self._cells():
            name = cell.label if len(self._templates) == 1 else f"{cell.label}, {cell.template}"
            rows[name, negatives_label(cell.negatives)] = measures[cell.key][families[0]].row()
        title = f"{self._dataset.name}, {families[0]}: {first[families[0]].trajectories:,} trajectories"
        plot_measures(rows, paths[-1], title)
        sizes = {label: size for label, size in self._parameters.items() if size}
        if len(self._labels) > 1 and len(self._templates) == 1 and len(sizes) == len(self._labels):
            paths.append(self._folder.path / "average_precision.png")
            title = f"{self._dataset.name}: average precision by model size, 95 % over trajectories"
            points = self._size_points(measures, sizes)
            plot_average_precision(points, families, columns, paths[-1], title, base_rates)
        return paths

    def _size_points(
        self, measures: dict[str, dict[str, OfflineMeasures]], sizes: dict[str, int]
    ) -> dict[tuple[str, str], list[SizePoint]]:
        """Return the average precision of each model by rising size, by family and negative set."""
        points: dict[tuple[str, str], list[SizePoint]] = {}
        for cell in sorted(self._cells(), key=lambda cell: sizes[cell.label]):
            for family, found in measures[cell.key].items():
                ends = found.average_precision_interval
                point = SizePoint(cell.label, sizes[cell.label], found.average_precision, ends.low, ends.high)
                points.setdefault((family, negatives_label(cell.negatives)), []).append(point)
        return points

    def _params(self) -> dict[str, Any]:
        return {
            "dataset": self._dataset.name,
            "dataset_fingerprint": self._dataset.fingerprint,
            "trajectories": len(self._dataset.trajectories),
            "states": len(self._dataset.states),
            "models": " ".join(self._labels),
            "prompts": self._config.prompts or self._config.reward.template,
            "negatives": " ".join(negatives_label(negatives) for negatives in self._config.negatives),
            "families": " ".join(self._task_sets),
        }


def prove(
    dataset: LabelledDataset,
    family: str,
    images: npt.NDArray[np.float32],
    rewards: FamilyRewards,
    client: RewardClient,
) -> None:
    """Score some frames by the service itself and compares them with the scores made from its embeddings.

    Raises:
        RewardServiceError: They are not the same, bit by bit.
    """
    if rewards.config.head.frames.k != 1 or rewards.config.head.frames.kind != "last":
        return
    rows = np.flatnonzero(dataset.states.family == family)
    rows = rows[:: max(1, len(rows) // _PROOF_STATES)][:_PROOF_STATES]
    chosen = dataset.states.where(rows)
    served = client.score(dataset.frames_of(chosen), list(chosen.goal_id)).scores
    ours = rewards.models[family].score_embeddings(images[rows], list(chosen.goal_id))
    if not np.array_equal(served, ours):
        raise RewardServiceError(
            f"the service scores frames by up to {np.abs(served - ours).max():.2g} differently from their embeddings; "
            "service and this process do not run the same encoder"
        )


def write_confusion(
    path: Path,
    dataset: LabelledDataset,
    images: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    rewards: FamilyRewards,
) -> None:
    """Write which negatives win, a row a goal, the worst first. Forms without negatives have no such table."""
    if rewards.config.head.uses_negatives:
        write_csv(path, [goal.row() for goal in worst_first(confusions(dataset.states, images, scores, rewards))])


def confusions(
    states: States, images: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], rewards: FamilyRewards
) -> list[GoalConfusion]:
    """Return which negatives win, goal by goal in order of appearance, of a form that uses them.

    Args:
        states: N states in order of trajectory and step, trajectories whole.
        images: float32 (N, D), embeddings of their frames.
        scores: float32 (N,), the reward's.
        rewards: The reward.
    """
    images, texts = rewards.pooled(states, images), rewards.texts()
    goals = []
    for family in rewards.models:
        for goal_id in dict.fromkeys(states.goal_id[states.family == family]):
            rows = np.flatnonzero(states.goal_id == goal_id)
            goal = GoalConfusion(str(goal_id))
            fired = scores[rows] > np.float32(rewards.config.beta)
            prompts = rewards.prompts(family, goal_id)
            goal.add(images[rows], texts[goal_id], prompts, states.goal_achieved[rows], fired)
            goals.append(goal)
    return goals


def _write_scores(path: Path, dataset: LabelledDataset, scores: npt.NDArray[np.float32]) -> None:
    states = dataset.states
    table = pa.table(
        {
            "trajectory": states.trajectory,
            "step": states.step,
            "family": states.family.astype(str),
            "goal_id": states.goal_id.astype(str),
            "goal_achieved": states.goal_achieved,
            "score": scores,
        }
    )
    pq.write_table(table, path, compression="zstd")


def _file_name(key: str) -> str:
    name = plain_name(key)
    return name if len(name) < 120 else name[:100]
