"""Commands that read what trainings left in one or more MLflow stores, and write tables and figures of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from experiments.shared.command import Command, Invocation, Option, Output
from experiments.shared.job_storage import output_root, results_path

Write = Callable[[list[str], Path, Mapping[str, Any]], str]
"""Reads stores, writes files into a folder, which it makes, and returns what is printed: (stores, folder, options)."""


def store_reader(name: str, help_text: str, write: Write, reads: str, options: Sequence[Option]) -> Command:
    """Return a command that reads several MLflow stores.

    Args:
        name: Of the command, and of its folder in the default output.
        help_text: For `--help`.
        write: Does the work.
        reads: What it reads of the stores, in words.
        options: Its own, beside `--also`.
    """

    def work(invocation: Invocation) -> None:
        folder = invocation.output if invocation.output_given else invocation.output / name
        typer.echo(write(_stores(invocation), folder, invocation.options))
        typer.echo(str(folder))

    def show(invocation: Invocation) -> None:
        typer.echo(f"{reads} of {', '.join(_stores(invocation))}, into {invocation.output}")

    return Command(
        name=name,
        help=help_text,
        work=work,
        options=(Option("--also", "Another MLflow store to read; repeatable.", list[str], metavar="URI"), *options),
        output=Output(help=f"Folder for the files, made if it is not there; `{name}` in the default one."),
        store_folder=_where_trainings_put_theirs,
        again="run the same command again",
        show=show,
        dry_run="Say what would be read and where the tables would go, and stop.",
    )


def _where_trainings_put_theirs(output: Path, given: Mapping[str, Any]) -> Path:
    return results_path(output_root())


def _stores(invocation: Invocation) -> list[str]:
    return [invocation.mlflow_uri, *(invocation.options["also"] or [])]
