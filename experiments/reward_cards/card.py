"""One card from its settings to its page and pictures."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from experiments.datasets.collecting import collect, load_config
from experiments.offline.embedding import embedded
from experiments.offline.goal_confusions import goal_confusions
from experiments.offline.report import parameters_of, write_csv
from experiments.offline.rewards import FamilyRewards, TextMemo, negatives_label, open_states
from experiments.reward_cards.config import CardConfig, folder_of_results
from experiments.reward_cards.goals import goal_rows, worst_goals
from experiments.reward_cards.known_results import Row, agent_rows, pressure_rows
from experiments.reward_cards.mistakes import Mistake, worst_mistakes, write_contact_sheet
from experiments.shared.atomic_files import write_atomically
from experiments.shared.cells import markdown_table, markdown_text
from experiments.shared.progress import Bars
from experiments.study_report.document import interval, number
from vlm_rewards.encoders import Encoder, EnsembleEncoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import LabelledDataset, OfflineMeasures, measure
from vlm_rewards.evaluation.offline.dataset import MANIFEST
from vlm_rewards.evaluation.offline.figures import plot_precision_recall
from vlm_rewards.goals import TaskSet
from vlm_rewards.hub.reward_card import described
from vlm_rewards.reward_config import CheckpointHashes
from vlm_rewards.reward_model import RewardConfig


class RewardCard:
    """Collects what is missing, judges the reward, and writes its page."""

    def __init__(self, config: CardConfig) -> None:
        """Check everything that was asked for, before anything is written.

        Args:
            config: The card.

        Raises:
            ConfigError: A preset, task set, table or setting that cannot be used.
            VLMRewardsError: The model cannot be used.
        """
        self._config = config
        self._reward = config.reward()
        ((self._family, source),) = config.data.task_sets.items()
        self._tasks = TaskSet.named_or_from_yaml(source)
        self._collect = load_config(config.data.collect, config.data.changes)
        self._agents = agent_rows(folder_of_results(), config.agents)
        self._encoder = self._reward.load_encoder()

    def write(self, folder: Path, bars: Bars) -> list[Path]:
        """Write the page and its pictures, the same from the same settings, byte by byte, on one machine.

        Args:
            folder: Where to; made.
            bars: Shows how far it is.

        Returns:
            All files, the page first.

        Raises:
            ConfigError: The dataset is damaged, or is not what the settings collect.
        """
        config = self._config
        dataset = self._dataset(bars)
        states = dataset.states
        bars.say(f"embedding {len(states)} states by {self._reward.model}")
        images = embedded(dataset, self._encoder)
        rewards = FamilyRewards(self._reward, {self._family: self._tasks}, TextMemo(self._encoder))
        scores = rewards.score(states, images)
        bars.say("measuring")
        found = measure(
            scores,
            states,
            self._reward.beta,
            config.resamples,
            config.seed,
            embeddings=images,
            confusions=[goal_confusions(rewards, states, images)[self._family]],
        )
        folder.mkdir(parents=True, exist_ok=True)
        kinds = {
            "false": worst_mistakes(states, scores, self._reward.beta, False, config.pictures),
            "missed": worst_mistakes(states, scores, self._reward.beta, True, config.pictures),
        }
        paths = [folder / f"{config.name}.md", folder / f"{config.name}-curve.png"]
        self._write_curve(found, dataset, paths[1])
        for kind, mistakes in kinds.items():
            paths.append(folder / f"{config.name}-{kind}.jpg")
            write_contact_sheet(mistakes, dataset, paths[-1])
        goals = goal_rows(self._tasks, states, images, scores, rewards)
        paths.append(folder / f"{config.name}-goals.csv")
        write_csv(paths[-1], goals)
        write_atomically(paths[0], self._page(dataset, found, goals, kinds))
        unseen = [one.key for mistakes in kinds.values() for one in mistakes if one.key not in config.seen]
        if unseen:
            bars.tell(f"nobody has said what is in {', '.join(unseen)}: look at the pictures, and say it under `seen`")
        return paths

    def _dataset(self, bars: Bars) -> LabelledDataset:
        data = self._config.data
        path = Path(data.dataset)
        if not (path / MANIFEST).exists():
            collect(self._collect, path, progress=lambda done, total: bars.show(f"collecting {path.name}", done, total))
        dataset, _ = open_states(data)
        if dataset.manifest.get("config") != self._collect.model_dump(mode="json"):
            raise ConfigError(f"{path} was collected with other settings than this card's; remove it, or name another")
        dataset.check_positives()
        return dataset

    def _write_curve(self, found: OfflineMeasures, dataset: LabelledDataset, path: Path) -> None:
        column = negatives_label(self._reward.negatives)
        plot_precision_recall(
            {(self._family, column): {self._reward.model: found.curve}},
            [self._family],
            [column],
            path,
            f"{dataset.name}: {found.trajectories:,} trajectories, beta swept",
            {self._family: found.positives / found.states},
        )

    def _page(
        self,
        dataset: LabelledDataset,
        found: OfflineMeasures,
        goals: list[dict[str, Any]],
        kinds: dict[str, list[Mistake]],
    ) -> str:
        config, data = self._config, self._config.data
        changes = " ".join(f"--set {shlex.quote(change)}" for change in data.changes)
        pressure, searched = pressure_rows(folder_of_results(), config.pressure, self._reward)
        pages = Environment(
            loader=FileSystemLoader(Path(__file__).parent),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        pages.filters["table"] = markdown_table
        return pages.get_template("page.md.j2").render(
            card=config,
            reward=self._reward,
            identity=identity(self._reward, self._tasks, self._encoder, config.trainings),
            dataset=dataset,
            checksum=dataset.manifest["content_sha256"],
            collect=f"python -m experiments.collect --preset {data.collect} {changes} --out {data.dataset}",
            found=found,
            measures=_measures(found),
            goals=len(goals),
            worst=worst_goals(goals),
            counts={name: sum(goal[name] for goal in goals) for name in ("false", "missed")},
            pressure=pressure,
            searched=searched,
            agents=self._agents,
            mistakes={kind: self._mistakes(mistakes) for kind, mistakes in kinds.items()},
            paid={kind: sum(one.paid for one in mistakes) for kind, mistakes in kinds.items()},
        )

    def _mistakes(self, mistakes: Sequence[Mistake]) -> list[Row]:
        return [
            {
                "": str(number_),
                "trajectory:step": one.key,
                "goal": markdown_text(self._tasks.goal(one.goal_id).subject),
                "score": one.shown,
                "paid": "yes" if one.paid else "no",
                "what is seen": markdown_text(self._config.seen.get(one.key, "nobody has looked yet")),
            }
            for number_, one in enumerate(mistakes, start=1)
        ]


def identity(reward: RewardConfig, tasks: TaskSet, encoder: Encoder, trainings: Sequence[str]) -> str:
    """Return what a card says that its reward is, as Markdown: a page without it is of another reward.

    Args:
        reward: The settings, in fp32.
        tasks: The goals.
        encoder: The reward's, loaded.
        trainings: Training presets whose reward it is.
    """
    members = encoder.members if isinstance(encoder, EnsembleEncoder) else (encoder,)
    hashes = map(CheckpointHashes.of, reward.models, members)
    negatives = sorted({len(prompts) - 1 for prompts in reward.prompts(tasks).values()})
    rows = described(reward, tasks, reward.fingerprint(tasks, encoder.fingerprint))
    rows["negatives"] += f", {' to '.join(map(str, dict.fromkeys((negatives[0], negatives[-1]))))} a goal"
    rows["threshold beta"] = repr(reward.beta)
    rows["fingerprint"] += " (fp32, torch)"
    rows["weights, sha256"] = ", ".join(f"`{one.weights or one.encoder}`" for one in hashes)
    rows["parameters"] = ", ".join(f"{parameters_of(model) or 0:,}" for model in reward.models)
    rows["trained on by"] = ", ".join(f"`python -m experiments.train --preset {name}`" for name in trainings)
    return markdown_table([{"": name, " ": value} for name, value in rows.items()])


def _measures(found: OfflineMeasures) -> list[Row]:
    """Return all measures of `OfflineMeasures.row`, with their intervals where they have one; beta is the reward's."""
    values = found.row()
    return [
        {"measure": f"`{name}`", "value": _shown(value, values.get(f"{name}_low"), values.get(f"{name}_high"))}
        for name, value in values.items()
        if not name.endswith(("_low", "_high")) and name != "beta"
    ]


def _shown(value: float, low: float | None, high: float | None) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return number(value, 3) if low is None or high is None else interval(value, low, high, 3)
