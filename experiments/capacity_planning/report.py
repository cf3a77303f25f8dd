"""A plan as a person reads it, and as a training preset."""

import yaml
from rich.console import Console
from rich.table import Table

from experiments.capacity_planning.config import CapacityConfig
from experiments.capacity_planning.plan import Plan, figures


def show(config: CapacityConfig, result: Plan) -> None:
    """Print the plan, what it rests on, and what nobody has measured."""
    out = Console()
    counts = result.counts
    size = Table("", "count", "one more makes steps/s", "hours less", f"cost less ({config.prices.currency})")
    for gain in result.gains:
        saved = "no price" if gain.cost_saved is None else f"{gain.cost_saved:,.2f}"
        count = str(getattr(counts, gain.part))
        size.add_row(gain.part, count, f"{gain.rate:,.1f}", f"{gain.hours_saved:,.2f}", saved)
    out.print(size)
    cost = "no price" if result.cost is None else f"{result.cost:,.2f} {config.prices.currency}"
    out.print(
        f"{config.name}: {config.env_steps:,} steps at {result.rate:,.0f} steps/s ({result.rate * 86400:,.0f} a day) "
        f"take {result.hours:,.1f} h on {result.cpus:,.1f} CPUs, {result.gpus:,.1f} GPUs and "
        f"{result.memory_gb:,.0f} GB; cost: {cost}. The bottleneck: {result.bottleneck}."
    )
    rests = Table("number", "value", "from")
    for name, figure in sorted(figures(config).items()):
        rests.add_row(name, f"{figure.value:g}", figure.source)
    out.print(rests)
    assumed = sorted(name for name, figure in figures(config).items() if figure.assumed)
    if assumed:
        out.print(f"Assumed, not measured: {', '.join(assumed)}. Measure them before money is spent on the plan.")


def training_preset(config: CapacityConfig, result: Plan) -> str:
    """Return a training preset of the planned size, as YAML."""
    counts = result.counts
    values = {
        "extends": config.train_preset,
        "name": config.name,
        "total_env_steps": config.env_steps,
        "max_training_minutes": None,
        "sampling": {
            "num_env_runners": counts.runners,
            "num_learners": counts.learners if counts.learners > 1 or config.learner.gpus else 0,
            "num_gpus_per_learner": config.learner.gpus,
        },
        "served_by": {
            "kind": "deploy",
            "num_cpus": config.reward.cpus,
            "num_gpus": config.reward.gpus,
            "replicas": {"minimum": counts.replicas, "maximum": counts.replicas},
        }
        if config.reward.served
        else {"kind": "in_process"},
    }
    assumed = [name for name, figure in figures(config).items() if figure.assumed]
    head = (
        f"# Planned by python -m experiments.capacity: {result.rate:,.0f} steps/s, {result.hours:,.1f} h, "
        f"{result.cpus:,.1f} CPUs, {result.gpus:,.1f} GPUs.\n"
    )
    if assumed:
        head += f"# Assumed, not measured: {', '.join(sorted(assumed))}.\n"
    return head + yaml.safe_dump(values, sort_keys=False)
