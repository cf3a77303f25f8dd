"""The kinds of study: each is one entry, which its command, its presets' folder and its report read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from experiments.study_report.study_kind import StudyKind
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import near_matches

if TYPE_CHECKING:
    from experiments.study_report.document import Findings
    from experiments.study_report.records import Study

REPORT = "Results go to MLflow; `python -m experiments.report` draws them."


class StudyKinds:
    """The kinds by name; `add` makes another one known."""

    def __init__(self) -> None:
        self._kinds: dict[str, StudyKind] = {}

    def add(self, kind: StudyKind) -> StudyKind:
        """Make a kind known to commands and reports.

        Raises:
            ValueError: Another kind has its name.
        """
        if self._kinds.setdefault(kind.name, kind) is not kind:
            raise ValueError(f"there is already a kind of study {kind.name!r}")
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __getitem__(self, name: str) -> StudyKind:
        """Return the kind of a name.

        Raises:
            ConfigError: There is none; the message names those there are.
        """
        if name not in self._kinds:
            raise ConfigError(f"there is no kind of study {name!r}; {near_matches(name, self._kinds)}")
        return self._kinds[name]


# What a report needs is imported when it is asked for: `--help` should not wait for it.


def _learning_curves(study: "Study") -> "Findings":
    from experiments.study_report.learning_curves import learning_curve_findings

    return learning_curve_findings(study)


def _model_size(study: "Study") -> "Findings":
    from experiments.study_report.arms import Comparison, arm_findings

    comparison = Comparison(
        fact="parameters",
        name="parameter count",
        told="parameters",
        what="model",
        caption="Figure 4 (right) of the paper, which claims that larger reward models give better agents.",
    )
    return arm_findings(study, comparison)


def _prompts(study: "Study") -> "Findings":
    from experiments.study_report.arms import Comparison, arm_findings

    comparison = Comparison(
        fact="order",
        name="claimed order of templates",
        told="template",
        what="prompt",
        caption="Figure 5 of the paper, which claims that descriptions of the achieved state beat action verbs: D "
        "best, A worst.",
    )
    return arm_findings(study, comparison)


STUDY_KINDS = StudyKinds()
STUDY_KINDS.add(
    StudyKind(
        name="learning_curves",
        title="Learning curves",
        summary="Train on each task family from VLM rewards alone, and follow [bold]reward return and held-out success "
        f"rate[/bold] side by side (the paper's figure 3). {REPORT}",
        findings=_learning_curves,
        ordered_by=("order", "parameters"),
    )
)
STUDY_KINDS.add(
    StudyKind(
        name="model_size",
        title="Model size",
        summary="Train one agent for [bold]each size of reward model[/bold], beside one on the true reward (the "
        f"paper's figure 4, right). {REPORT}",
        findings=_model_size,
        ordered_by=("order", "parameters"),
    )
)
STUDY_KINDS.add(
    StudyKind(
        name="prompts",
        title="Prompt templates",
        summary="Train one agent for [bold]each prompt template[/bold] of the reward (the paper's figure 5). " + REPORT,
        findings=_prompts,
        ordered_by=("order",),
    )
)
