"""Show the episodes of a run, an evaluation or a dataset frame by frame: what an agent was paid for, and what was true.

python -m experiments.view runs/demo-1
python -m experiments.view 5d3e0f2c9b5d4c0f8a9f0e7a1b2c3d4e --mlflow-uri http://127.0.0.1:5000
python -m experiments.view data/playhouse-small --reward reward-pocket-l --family find
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import typer

from experiments.shared.command import Command, Invocation, Option, Output
from experiments.shared.job_storage import output_root, results_path

HELP = """Write [bold]one HTML page[/bold] with the episodes of a run, an evaluation or a dataset, frame by frame.

Both frames, p(goal), every caption's share, the reward, the truth and the actions; only false positives, only missed
successes, or those in which reward and truth disagree, the most confident first. It loads nothing from elsewhere.
"""


def _store_folder(output: Path, given: Mapping[str, Any]) -> Path:
    """Return where commands put theirs."""
    return results_path(output_root())


def _place(given: Mapping[str, Any]) -> Path:
    """Return where the page goes by default: into a run's folder, beside a dataset's, else into the output folder."""
    path = Path(given["source"]).expanduser()
    if path.is_file():
        return path.with_name("episodes.html")
    if (path / "manifest.json").is_file():
        return path.with_name(f"{path.resolve().name}-episodes.html")
    return path / "episodes.html" if path.is_dir() else output_root()


def _view(invocation: Invocation) -> None:
    # Imported here: `--help` should not wait for MLflow.
    from experiments.shared.progress import Bars
    from experiments.study_report.document import slug
    from experiments.viewing.datasets import DatasetChoice
    from experiments.viewing.page import write_page
    from experiments.viewing.sources import find, is_path

    options = invocation.options
    choice = DatasetChoice(
        reward=options["reward"],
        task_set=options["task_set"],
        families=tuple(options["family"] or ()),
        episodes=options["episodes"],
    )
    with ExitStack() as stack:
        bars: list[Bars] = []

        def progress(done: int, total: int) -> None:
            if not bars:  # of a run there is nothing to wait for
                bars.append(stack.enter_context(Bars(stderr=True)))
            bars[0].show("episodes", done, total)

        found = find(options["source"], invocation.mlflow_uri, choice, progress)
    page = invocation.output
    if not invocation.output_given and not is_path(options["source"]):
        page /= f"episodes-{slug(found.name)}.html"
    write_page(found.recording, page, found.source)
    counts = _counts(found.recording.episodes)
    typer.echo(f"{len(found.recording.episodes):,} episodes{counts}, {page.stat().st_size / 1e6:.1f} MB")
    for note in found.recording.facts.notes:
        typer.echo(note)
    typer.echo(page)


def _counts(episodes: Any) -> str:
    if not any(episode.score is not None for episode in episodes):
        return ""
    false = sum(episode.is_false_positive for episode in episodes)
    missed = sum(episode.is_missed for episode in episodes)
    return f": {false:,} false positives, {missed:,} missed successes"


def _show(invocation: Invocation) -> None:
    typer.echo(f"episodes of {invocation.options['source']}, into {invocation.output}")


command = Command(
    name="view",
    help=HELP,
    work=_view,
    options=(
        Option("source", "Folder of a run, an evaluation or a dataset; or id or name of a run in MLflow."),
        Option("--reward", "Of a dataset: what scores it, a packaged reward or the path of a .yaml preset."),
        Option("--task-set", "Of a dataset: the reward's goals, where its preset has others."),
        Option("--family", "Of a dataset: show only this family of goals; repeatable.", list[str]),
        Option("--episodes", "Of a dataset: trajectories to show, evenly spread; 300 by default.", int),
    ),
    output=Output(
        help="HTML file to write; by default in the run's folder, beside the dataset's, or in the output folder.",
        below_root=None,
        chosen=_place,
        store="in the output folder",
        is_file=True,
    ),
    store_folder=_store_folder,
    again="write the page again",
    show=_show,
    dry_run="Say what would be read and where the page would go, and stop.",
)
app = command.app()

if __name__ == "__main__":
    app()
