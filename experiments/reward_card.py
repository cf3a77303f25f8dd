"""Write the card of a shipped reward: what it is, how precise, where it fails, and what was trained on it.

python -m experiments.reward_card --preset find_small --output docs/rewards
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Output
from experiments.shared.preset_files import preset_names

if TYPE_CHECKING:
    from experiments.reward_cards.config import CardConfig

HELP = """Write [bold]a reward's card[/bold]: one page, with pictures of its worst mistakes.

The data that it is judged on is collected where it is not there. The same preset gives the same page, byte by byte, on
one machine.
"""


def _schema(values: Mapping[str, Any]) -> "type[CardConfig]":
    from experiments.reward_cards.config import CardConfig

    return CardConfig


def _write(invocation: Invocation) -> None:
    from experiments.reward_cards.card import RewardCard
    from experiments.shared.progress import Bars

    # All of them now: a wrong setting should not cost the time of those before it.
    cards = [RewardCard(config) for config in invocation.configs]
    with Bars() as bars:
        for card in cards:
            for path in card.write(invocation.output, bars):
                bars.tell(str(path))


command = Command(
    name="reward_card",
    help=HELP,
    work=_write,
    schema=_schema,
    preset=tuple(preset_names("reward_card")),
    example="resamples=300",
    output=Output(help="Folder of the pages.", below_root="rewards"),
    tracks="never",
)
app = command.app()

if __name__ == "__main__":
    app()
