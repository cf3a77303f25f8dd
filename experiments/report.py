"""Render the figures, tables and videos of a study from MLflow alone.

python -m experiments.report model-size
python -m experiments.report 3f2a... --mlflow-uri http://127.0.0.1:5000 --output reports/model-size
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from experiments.shared.command import Command, Invocation, Option, Output
from experiments.shared.job_storage import output_root, results_path

HELP = """Write [bold]report.html[/bold], one page with everything in it, and beside it PNG, CSV and Markdown files, and
pages of the agents' episodes frame by frame.

A study may still run, and trials may have failed: each is listed with its status and end reason.
"""


def _store_folder(output: Path, given: Mapping[str, Any]) -> Path:
    """Return where studies put theirs."""
    return results_path(output_root())


def _report(invocation: Invocation) -> None:
    # Imported here: `--help` should not wait for MLflow.
    from experiments.study_report.document import slug
    from experiments.study_report.reading import StudyReader
    from experiments.study_report.writing import write_report

    reader = StudyReader(invocation.mlflow_uri)
    found = reader.read(invocation.options["study"])
    folder = invocation.output
    if not invocation.output_given:
        folder /= f"report-{slug(found.name)}"
    page = write_report(reader, found, folder)
    typer.echo(f"{found.counts()}\n{page}")


def _show(invocation: Invocation) -> None:
    typer.echo(f"study {invocation.options['study']} of {invocation.mlflow_uri}, into {invocation.output}")


command = Command(
    name="report",
    help=HELP,
    work=_report,
    options=(Option("study", "Name of a study (its newest run is taken), or the id of its MLflow run."),),
    output=Output(help="Folder for the files, made if it is not there; report-STUDY in the default one."),
    store_folder=_store_folder,
    again="render the report again",
    show=_show,
    dry_run="Say what would be read and where the report would go, and stop.",
)
app = command.app()

if __name__ == "__main__":
    app()
