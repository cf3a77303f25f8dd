"""Measures the reward service and prints one table of ratios.

python -m benchmarks                       # all rows, some 45 minutes; stores docs/results/bench.md and bench.json
python -m benchmarks --quick               # rough numbers in some 5 minutes, stores nothing
python -m benchmarks --only handle-overhead --only load-step
"""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

# Before ray is imported: no usage pings. One thread a process: replicas and this one share the cores. (Not through a
# runtime environment, for which Ray would have to start every worker anew.)
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
import typer
from ray import serve

from benchmarks import (
    encoder_rows,
    fan_in_rows,
    fault_rows,
    frame_cost_rows,
    hostile_rows,
    infinity_rows,
    miniworld_rows,
    relabel_rows,
    rollout_rows,
    routing_rows,
    scaling_rows,
    service_rows,
    soak_rows,
    speed_rows,
    tracking_rows,
    viewer_rows,
    vlmrm_rows,
)
from benchmarks.row import REGISTRY, Row
from benchmarks.table import as_text, machine, store
from vlm_rewards.strict_config import near_matches

MODULES = (
    encoder_rows,
    service_rows,
    scaling_rows,
    rollout_rows,
    routing_rows,
    relabel_rows,
    fault_rows,
    fan_in_rows,
    hostile_rows,
    soak_rows,
    speed_rows,
    tracking_rows,
    viewer_rows,
    vlmrm_rows,
    infinity_rows,
    miniworld_rows,
    frame_cost_rows,
)
RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench(
    only: Annotated[
        list[str] | None, typer.Option(help="Row to measure, or the beginning of names. Repeatable.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Rough numbers, soon; for trying it out.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Folder for bench.md and bench.json; a full run has docs/results by default.")
    ] = None,
    list_rows: Annotated[bool, typer.Option("--list", help="Print the names of all rows, and stop.")] = False,
) -> None:
    """Measure the reward service: speed, scaling and survival, as ratios side by side in one run."""
    names = [name for one in REGISTRY for name in one.names]
    if list_rows:
        typer.echo("\n".join(names))
        return
    for wanted in only or []:
        if not any(name.startswith(wanted) for name in names):
            typer.echo(f"error: no row {wanted!r}; {near_matches(wanted, names)}", err=True)
            raise typer.Exit(2)
    chosen = [one for one in REGISTRY if not only or any(name.startswith(tuple(only)) for name in one.names)]
    on = machine()
    rows: list[Row] = []
    for one in chosen:
        typer.echo(f"measuring {', '.join(one.names)} ...", err=True)
        if one.needs_ray and not ray.is_initialized():
            _start_ray()
        try:
            rows += one.measure(quick)
        except Exception as error:
            # One row that fails must not cost the others; it is shown as failed.
            logging.getLogger(__name__).exception("%s failed", ", ".join(one.names))
            rows += [
                Row(name, "failed", float("nan"), 0, ">=", note=f"{type(error).__name__}: {error}"[:200])
                for name in one.names
            ]
    if ray.is_initialized():
        serve.shutdown()
        ray.shutdown()
    print(as_text(rows))
    folder = output or (None if quick or only else RESULTS)
    if folder is not None:
        typer.echo("stored " + " and ".join(str(path) for path in store(rows, on, quick, folder)), err=True)
    if any(row.met is False or row.what == "failed" for row in rows):
        sys.exit(1)


def _start_ray() -> None:
    """Start a Ray of our own, with CPUs that are only counted: emulated replicas sleep."""
    os.environ["OMP_NUM_THREADS"] = "1"
    ray.init(
        address="local",
        num_cpus=16,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    serve.start(proxy_location="Disabled")


if __name__ == "__main__":
    app()
