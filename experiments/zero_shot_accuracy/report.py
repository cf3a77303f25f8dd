"""What models said in a zero-shot evaluation, and the tables made of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from experiments.zero_shot_accuracy.config import ZeroShotConfig
from vlm_rewards.evaluation.summary import wilson_interval

ALL = "all"
# Confusions that tables and cards list.
_CONFUSIONS = 8
# Values of a facet that cards list; fifty apps are too many.
_VALUES = 12


@dataclass(frozen=True)
class Answers:
    """What one model said in one evaluation.

    Attributes:
        config: The evaluation.
        model: Label of the model.
        right: Words of the right class, a picture each.
        given: Words of the class that the model chose.
    """

    config: ZeroShotConfig
    model: str
    right: list[dict[str, str]]
    given: list[dict[str, str]]

    def rows(self, parameters: int | None) -> list[dict[str, Any]]:
        """Return the table: a row for all pictures, and one for each value of each facet."""
        facets = self.config.classes.facets
        groups: dict[tuple[str, str], list[int]] = {(ALL, ""): list(range(len(self.right)))}
        for facet in facets:
            values = sorted({words[facet] for words in self.right})
            groups |= {(facet, v): [i for i, words in enumerate(self.right) if words[facet] == v] for v in values}
        table = []
        for (facet, value), pictures in groups.items():
            right = sum(self.right[i] == self.given[i] for i in pictures)
            low, high = wilson_interval(right, len(pictures))
            wrong = Counter(self._name(self.given[i]) for i in pictures if self.right[i] != self.given[i])
            taken_for, times = wrong.most_common(1)[0] if wrong and facet != ALL else ("", 0)
            table.append(
                {
                    "evaluation": self.config.name,
                    "model": self.model,
                    "parameters": parameters,
                    "facet": facet,
                    "value": value,
                    "pictures": len(pictures),
                    "accuracy": right / len(pictures),
                    "accuracy_low": low,
                    "accuracy_high": high,
                    "most_taken_for": taken_for,
                    "times": times,
                }
            )
        return table

    def confusions(self) -> list[tuple[str, str, int]]:
        """Return the most frequent confusions: what was shown, what it was taken for, how often."""
        wrong = Counter(
            (self._name(right), self._name(given))
            for right, given in zip(self.right, self.given, strict=True)
            if right != given
        )
        return [(right, given, times) for (right, given), times in wrong.most_common(_CONFUSIONS)]

    def facet(self, facet: str) -> tuple[list[str], list[str]]:
        """Return the right and the given value of one word, a picture each."""
        return [words[facet] for words in self.right], [words[facet] for words in self.given]

    def _name(self, words: dict[str, str]) -> str:
        return " ".join(words[facet] for facet in reversed(self.config.classes.facets))


def markdown(found: Sequence[Answers], rows: Sequence[dict[str, Any]]) -> str:
    """Return a Markdown table with a line for each model in each evaluation, and their confusions below it."""
    lines = [
        "| evaluation | model | parameters | pictures | accuracy | 95 % Wilson | target |",
        "|---|---|---|---|---|---|---|",
    ]
    targets = {answers.config.name: answers.config.target for answers in found}
    for row in rows:
        if row["facet"] == ALL:
            parameters = "" if row["parameters"] is None else f"{row['parameters']:,}"
            interval = f"{row['accuracy_low']:.4f} to {row['accuracy_high']:.4f}"
            lines.append(
                f"| {row['evaluation']} | {row['model']} | {parameters} | {row['pictures']:,} | {row['accuracy']:.4f} "
                f"| {interval} | {targets[row['evaluation']]:.2f} |"
            )
    text = "\n".join(lines) + "\n"
    for answers in found:
        text += f"\n**{answers.config.name}, {answers.model}**: {_confusions_in_words(answers)}\n"
    return text


def card_section(answers: Answers) -> str:
    """Return what a model card says of one evaluation."""
    config = answers.config
    overall, *rows = answers.rows(None)
    captions = " and ".join(f'"{caption}"' for caption in config.classes.captions)
    text = (
        f"### {config.title[0].upper()}{config.title[1:]}\n\n"
        f"Accuracy **{overall['accuracy']:.4f}** (95 % Wilson {overall['accuracy_low']:.4f} to "
        f"{overall['accuracy_high']:.4f}) over {overall['pictures']:,} pictures that no training drew; "
        f"captions {captions}.\n"
        f"`python -m experiments.zero_shot --preset {config.name} --model FOLDER`\n\n"
    )
    for facet in config.classes.facets:
        of_facet = sorted((row for row in rows if row["facet"] == facet), key=lambda row: row["accuracy"])
        shown = ", ".join(f"{row['value']} {row['accuracy']:.3f}" for row in of_facet[:_VALUES])
        text += f"By {facet}, the worst first: {shown}{', ...' if len(of_facet) > _VALUES else ''}.\n"
    return text + f"Most frequent confusions: {_confusions_in_words(answers)}\n"


def summary_table(found: Sequence[Answers], rows: Sequence[dict[str, Any]]) -> Table:
    """Return the numbers a person looks at first, for the terminal."""
    table = Table(title="Zero-shot accuracy on pictures that no training drew")
    for name in ("evaluation", "model"):
        table.add_column(name)
    for name in ("parameters", "accuracy", "95 % Wilson", "target"):
        table.add_column(name, justify="right", no_wrap=True)
    targets = {answers.config.name: answers.config.target for answers in found}
    for row in rows:
        if row["facet"] == ALL:
            table.add_row(
                row["evaluation"],
                row["model"],
                "" if row["parameters"] is None else f"{row['parameters']:,}",
                f"[bold]{row['accuracy']:.4f}[/]",
                f"{row['accuracy_low']:.3f}-{row['accuracy_high']:.3f}",
                f"{targets[row['evaluation']]:.2f}",
            )
    return table


def _confusions_in_words(answers: Answers) -> str:
    found = answers.confusions()
    return (
        "; ".join(f"{right} taken for {given} ({times})" for right, given, times in found) + "." if found else "none."
    )
