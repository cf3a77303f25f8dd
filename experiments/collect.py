"""Collect a fixed offline dataset of labelled trajectories in the playhouse or on the phone.

    python -m experiments.collect --preset small --out data/playhouse-small
    python -m experiments.collect --preset android_common --out data/android-common

`experiments.datasets.collecting` says what is in it, and reads it back.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from experiments.shared.command import Command, Invocation, Output

if TYPE_CHECKING:
    from experiments.datasets.collecting import AnyCollectConfig

HELP = """Collect [bold]a labelled dataset[/bold] of scripted trajectories, and print its manifest.

The same preset and seed give the same contents, bit by bit, on one machine. The manifest comes last: a folder without
one is no dataset, and is collected again.
"""


def _schema(values: Mapping[str, Any]) -> "type[AnyCollectConfig]":
    from experiments.datasets.collecting import config_class

    return config_class(values)


def _store_folder(output: Path, given: Mapping[str, Any]) -> Path:
    """Return the folder beside the dataset: into its own goes nothing else."""
    return output.parent


def _collect(invocation: Invocation) -> None:
    from experiments.datasets.collecting import collect
    from experiments.shared.progress import Bars

    with Bars(stderr=True) as bars:
        manifest = collect(
            invocation.config,
            invocation.output,
            progress=lambda done, total: bars.show("trajectories", done, total),
        )
    if invocation.mlflow_uri:
        _record(invocation, manifest)
    typer.echo(json.dumps({key: value for key, value in manifest.items() if key != "files"}, indent=2))


def _record(invocation: Invocation, manifest: dict[str, Any]) -> None:
    """Keep the dataset's manifest in the MLflow store that was named."""
    from experiments.shared.provenance import provenance
    from vlm_rewards.tracking import MlflowRun, flatten

    out = invocation.output
    with MlflowRun.start(
        uri=invocation.mlflow_uri,
        experiment="datasets",
        name=out.name,
        params={**flatten(manifest["config"]), "out": str(out)},
        tags={**provenance(), "content_sha256": manifest["content_sha256"]},
        spill_folder=out.parent,
        note=f"The dataset `{out}`: recorded trajectories, with the ground truth of each state.",
    ) as run:
        counts = ("trajectories", "steps", "positive_share", "success_share")
        run.log_metrics({name: manifest[name] for name in counts}, manifest["steps"])
        run.log_artifact(out / "manifest.json")


command = Command(
    name="collect",
    help=HELP,
    work=_collect,
    schema=_schema,
    preset="small",
    example="seed=8",
    output=Output(help="New folder of the dataset.", below_root=None, flags=("--output", "--out")),
    tracks="named",
    store_folder=_store_folder,
)
app = command.app()

if __name__ == "__main__":
    app()
