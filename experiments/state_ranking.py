"""What a reward model takes for the goal: how often achieved states outrank each kind of state that is not.

python -m experiments.state_ranking --model pocket-s --model pocket-l
python -m experiments.state_ranking --family lift --model pocket-l --episodes 300 --out lift-states.csv
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Option, Output

if TYPE_CHECKING:
    from experiments.offline.state_ranking import StateRankingConfig

HELP = """Say [bold]what a reward would be paid for[/bold] in fresh scripted episodes, kind of state by kind of state.

For each kind of state in which the goal does not hold: the share of pairs of an achieved state and one of these in
which the achieved one has the higher reward probability, over all goals (0.5 is chance).
"""


def _schema(values: Mapping[str, Any]) -> "type[StateRankingConfig]":
    from experiments.offline.state_ranking import StateRankingConfig

    return StateRankingConfig


def _rank(invocation: Invocation) -> None:
    from experiments.offline.report import write_csv
    from experiments.offline.state_ranking import rank_states, show

    rows = rank_states(invocation.config)
    show(rows)
    if invocation.output_given:
        invocation.output.parent.mkdir(parents=True, exist_ok=True)
        write_csv(invocation.output, rows)


command = Command(
    name="state_ranking",
    help=HELP,
    work=_rank,
    schema=_schema,
    preset="small",
    example="tau=0.05",
    options=(
        Option("--model", "Packaged name, folder or hub id; repeatable.", list[str], sets="models"),
        Option("--family", "Use only this family of goals; repeatable.", list[str], sets="families"),
        Option("--episodes", "Scripted episodes a family.", int, sets="episodes"),
        Option("--seed", "Seed of the episodes.", int, sets="seed"),
        Option("--tau", "Temperature of the softmax over goals and states.", float, sets="tau"),
        Option("--template", "Prompt template.", sets="template"),
    ),
    output=Output(help="CSV to write; none by default.", below_root=None, flags=("--output", "--out"), is_file=True),
    tracks="never",
)
app = command.app()

if __name__ == "__main__":
    app()
