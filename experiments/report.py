"""Render the figures, tables and videos of a study from MLflow alone.

python -m experiments.report model-size
python -m experiments.report 3f2a... --mlflow-uri http://127.0.0.1:5000 --output reports/model-size
"""

from pathlib import Path
from typing import Annotated

import typer

from experiments.shared.command_line import clear_errors

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def report(
    study: Annotated[
        str, typer.Argument(help="Name of a study (its newest run is taken), or the id of its MLflow run.")
    ],
    mlflow_uri: Annotated[
        str | None, typer.Option(help="MLflow server or store; else MLFLOW_TRACKING_URI, else runs/mlflow.db.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the files; runs/report-STUDY by default. Made if it is not there.")
    ] = None,
) -> None:
    """Write [bold]report.html[/bold], one page with everything in it, and beside it PNG, CSV and Markdown files.

    A study may still run, and trials may have failed: each is listed with its status and end reason.
    """
    with clear_errors("render the report again"):
        # Imported here: `--help` should not wait for MLflow.
        from experiments.study_report.document import slug
        from experiments.study_report.reading import StudyReader
        from experiments.study_report.writing import write_report
        from vlm_rewards.tracking.store import chosen_uri

        reader = StudyReader(chosen_uri(mlflow_uri, Path("runs")))
        found = reader.read(study)
        page = write_report(reader, found, output or Path("runs") / f"report-{slug(found.name)}")
        typer.echo(f"{found.counts()}\n{page}")


if __name__ == "__main__":
    app()
