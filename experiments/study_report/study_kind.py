"""What a kind of study is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StudyKind:
    """A question that studies ask, from its command line to its report.

    Attributes:
        name: Name of its command, of the folder of its presets, and of its studies' tag `study.kind` in MLflow.
        title: Line above the headline of its report.
        summary: Help text of its command.
        findings: Takes a `records.Study` of this kind and returns `document.Findings`. Named in words alone: both bring
            numpy and scipy, for which no `--help` should wait.
        ordered_by: Facts that arms are put in order by, rising; the first that an arm has decides before the next.
    """

    name: str
    title: str
    summary: str
    findings: Callable[[Any], Any] = field(repr=False)
    ordered_by: tuple[str, ...] = ()
