"""One zero-shot evaluation: models look at pictures and say what they are."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.offline.config import labelled_models
from experiments.offline.report import parameters_of, plain_name, write_csv
from experiments.offline.tracked_run import start_run
from experiments.shared.atomic_files import write_atomically
from experiments.shared.progress import Bars
from experiments.shared.run_folder import RunFolder, RunState
from experiments.zero_shot_accuracy.config import ZeroShotConfig
from experiments.zero_shot_accuracy.report import ALL, Answers, card_section, markdown, summary_table
from vlm_rewards.encoders import Encoder, load_encoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.confusion_figure import plot_confusions
from vlm_rewards.pretraining.model_card import CARD, weights_of, with_measurement
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset, RenderSpec
from vlm_rewards.pretraining.zero_shot import choices
from vlm_rewards.tracking import MlflowRun
from vlm_rewards.tracking.store import default_uri


class ZeroShotEvaluation:
    """Renders what is missing, asks every model, and reports."""

    def __init__(
        self,
        configs: Sequence[ZeroShotConfig],
        models: Sequence[str],
        output: Path,
        images: Path | None = None,
        update_cards: bool = False,
    ) -> None:
        """Check everything that was asked for, before anything is written.

        Args:
            configs: The evaluations.
            models: Packaged names, folders or hub ids.
            output: Folder for run folders and MLflow's store.
            images: Folder for the renderings, which all models of one image size share.
            update_cards: Write what was found into the models' own README.md.

        Raises:
            ConfigError: A setting that cannot be used, a model named twice, or a card to update that is not there.
            CheckpointError: A model that is no usable dual encoder.
            SelfCheckError: A model whose weights are not the recorded ones.
        """
        self._models = labelled_models(models)
        if len({config.name for config in configs}) < len(configs):
            raise ConfigError("two evaluations have one name; name each --preset once")
        self._configs = configs
        self._output, self._images = output, images or output / "zero-shot-images"
        self._classes = {config.name: config.classes.words() for config in configs}
        self._cards = {}
        if update_cards:
            # Folders alone: a packaged name or a hub id means files that are not this person's to change.
            self._cards = {label: Path(model) / CARD for label, model in self._models.items()}
            for label, card in self._cards.items():
                if not card.is_file():
                    raise ConfigError(
                        f"there is no {card} to update; leave --update-card out, or name {label}'s folder"
                    )
        self._encoders = {label: load_encoder(model) for label, model in self._models.items()}

    def execute(self) -> Path:
        """Run the evaluation.

        Returns:
            The run's folder.
        """
        settings = {
            "models": list(self._models.values()),
            **{config.name: config.model_dump(mode="json") for config in self._configs},
        }
        folder = RunFolder.create(self._output, "zero_shot", settings)
        tracking = self._configs[0].tracking
        uri = tracking.uri or default_uri(self._output)
        with Bars() as bars, start_run(folder, uri, tracking.experiment, self._params(), "zero_shot") as run:
            found = [
                self._ask(config, label, encoder, bars)
                for config in self._configs
                for label, encoder in self._encoders.items()
            ]
            self._report(found, folder.path, run, bars)
        folder.write_state(RunState(run.run_id, finished=True))
        bars.tell(f"results: {folder.path}")
        return folder.path

    def _ask(self, config: ZeroShotConfig, label: str, encoder: Encoder, bars: Bars) -> Answers:
        pictures, classes = config.pictures, self._classes[config.name]
        height, width = encoder.image_size
        spec = RenderSpec(pictures.source, pictures.count, height, width, pictures.seed, pictures.options)
        # A folder for each image size: models that read other pictures do not throw these away.
        dataset = RenderedDataset.render(
            spec,
            self._images / f"{config.name}-{height}x{width}",
            pictures.workers,
            lambda done: bars.show(f"rendering {config.name} at {height}x{width}", done, pictures.count),
        )
        strange = set(dataset.labels) - set(classes)
        if strange:
            raise ConfigError(
                f"no class of {config.name} has the label {min(strange)!r} of a picture; "
                "let classes.label and pictures.options fit each other"
            )
        captions = {name: config.classes.captions_of(words) for name, words in classes.items()}
        bars.say(f"{label} names {pictures.count:,} pictures of {config.name}, {len(classes)} captions")
        right, given = choices(encoder, dataset, captions)
        return Answers(config, label, [classes[name] for name in right], [classes[name] for name in given])

    def _report(self, found: list[Answers], folder: Path, run: MlflowRun, bars: Bars) -> None:
        parameters = {label: parameters_of(model) for label, model in self._models.items()}
        rows = [row for answers in found for row in answers.rows(parameters[answers.model])]
        write_csv(folder / "zero_shot.csv", rows)
        (folder / "zero_shot.md").write_text(markdown(found, rows), encoding="utf-8")
        for answers in found:
            name = f"{answers.config.name}-{plain_name(answers.model)}.png"
            panels = {facet: answers.facet(facet) for facet in answers.config.classes.facets}
            plot_confusions(panels, folder / name, f"{answers.model}: {answers.config.title}")
        overall = {(row["evaluation"], row["model"]): row for row in rows if row["facet"] == ALL}
        metrics = {
            f"{evaluation}/{plain_name(model)}/{key}": row[key]
            for (evaluation, model), row in overall.items()
            for key in ("accuracy", "accuracy_low", "accuracy_high")
        }
        run.log_metrics(metrics, 0)
        for path in sorted(folder.glob("zero_shot.*")) + sorted(folder.glob("*.png")):
            run.log_artifact(path)
        bars.console.print(summary_table(found, rows))
        for path in (folder / "zero_shot.csv", folder / "zero_shot.md"):
            bars.tell(str(path))
        for answers in found:
            card = self._cards.get(answers.model)
            if card is not None:
                text = card_section(answers)
                updated = with_measurement(card.read_text("utf-8"), answers.config.name, weights_of(card.parent), text)
                write_atomically(card, updated)
                bars.tell(f"{card}: section on {answers.config.name} written")

    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = {"models": " ".join(self._models)}
        for config in self._configs:
            params |= {
                f"{config.name}.pictures": json.dumps(config.pictures.model_dump(mode="json")),
                f"{config.name}.captions": " | ".join(config.classes.captions),
                f"{config.name}.classes": len(self._classes[config.name]),
            }
        for label, encoder in self._encoders.items():
            params[f"fingerprint.{plain_name(label)}"] = encoder.fingerprint
        return params
