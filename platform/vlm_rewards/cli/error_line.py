"""The one line that says what went wrong."""

import os

import typer


def say_error(text: str) -> None:
    """Print an error on standard error: red on a terminal, unless NO_COLOR is set."""
    line = f"error: {text}"
    typer.echo(line if os.environ.get("NO_COLOR") else typer.style(line, fg="red"), err=True)
