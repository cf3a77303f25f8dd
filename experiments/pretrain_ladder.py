"""Train pocket CLIPs of several sizes side by side on one stream of fresh renderings.

python -m experiments.pretrain_ladder --preset fresh
python -m experiments.pretrain_ladder --preset fresh --size pocket-xs --size pocket-s --set training.steps=500
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from experiments.shared.command import Command, Invocation, Option, Output
from vlm_rewards.errors import ConfigError

if TYPE_CHECKING:
    from experiments.pretraining.ladder_config import LadderConfig

HELP = """Train [bold]a ladder of pocket CLIPs[/bold]: one recipe, the same images for every size, each seen once.

A second process renders what the first one trains on; nothing but held-out pictures is written to disk. Run the command
again to continue a ladder that was cut off: the weights become the same as without the stop.
"""


def _schema(values: Mapping[str, Any]) -> "type[LadderConfig]":
    from experiments.pretraining.ladder_config import LadderConfig

    return LadderConfig


def _show(invocation: Invocation) -> None:
    import yaml

    for config in invocation.config.models():
        typer.echo(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), nl=False)


def _pretrain(invocation: Invocation) -> None:
    import contextlib

    from experiments.pretraining.runs import progress_note, start_run
    from experiments.shared.progress import Bars
    from vlm_rewards.pretraining.caption_source import import_source
    from vlm_rewards.pretraining.pretrain import pretrain_side_by_side

    configs = invocation.config.models()
    if not all(config.data.stream for config in configs):
        raise ConfigError("a ladder is trained on a stream; set data.stream: true")
    import_source(configs[0].data.source, configs[0].data.options)  # a misspelt source leaves no run behind
    folders = [invocation.output / config.name for config in configs]
    with contextlib.ExitStack() as stack:
        runs = [
            stack.enter_context(start_run(config, folder, invocation.mlflow_uri))
            for config, folder in zip(configs, folders, strict=True)
        ]
        bars = stack.enter_context(Bars(stage_width=26))

        def logged(place: int, step: int, metrics: dict[str, float]) -> None:
            runs[place].log_metrics({f"train/{name}": value for name, value in metrics.items()}, step)

        outcomes = pretrain_side_by_side(
            configs,
            folders,
            [folder / "model" for folder in folders],
            invocation.output,
            on_progress=lambda stage, done, total, metrics: bars.show(stage, done, total, progress_note(metrics)),
            on_log=logged,
        )
        for run, outcome, config in zip(runs, outcomes, configs, strict=True):
            run.log_metrics({"zero_shot/accuracy": outcome.report.accuracy}, config.training.steps + 1)
            run.log_artifact(outcome.folder / "README.md")
            bars.console.print(
                f"{config.name}: zero-shot accuracy {outcome.report.accuracy:.4f} on {outcome.report.images:,} "
                f"held-out images; {outcome.folder}",
                soft_wrap=True,
            )


command = Command(
    name="pretrain_ladder",
    help=HELP,
    work=_pretrain,
    schema=_schema,
    preset="fresh",
    example="training.steps=500",
    options=(Option("--size", "Train only this size; repeatable.", list[str], sets="sizes"),),
    output=Output(
        help="Folder of the run folders, one a model, with its checkpoint and model folder in it.",
        below_root="pretrain_ladder",
    ),
    again="run the same command again to continue",
    show=_show,
    dry_run="Print the settings of each model as checked, and stop.",
)
app = command.app()

if __name__ == "__main__":
    app()
