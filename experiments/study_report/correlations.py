"""How a property of the arms orders their final success rates: group by group, and over all groups."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.study_report.document import Table, interval, number
from vlm_rewards.evaluation.statistics import (
    GroupedCorrelation,
    RankCorrelation,
    grouped_rank_correlation,
    rank_correlation,
)

RHO = "\u03c1"


@dataclass(frozen=True)
class Ordering:
    """A property of the arms of one group, beside the final success rates of their trials.

    Attributes:
        task: Name of the task family.
        negatives: Set of negatives that all of them train with; empty where the facts name none.
        title: What the group is called.
        what: What the property is called.
        values: The property by arm.
        rates: Final held-out success rates of an arm's trials by arm.
    """

    task: str
    negatives: str
    title: str
    what: str
    values: Mapping[str, float]
    rates: Mapping[str, Sequence[float]]

    def correlation(self) -> RankCorrelation | None:
        """Return the rank correlation over trials; None where there is no order to speak of."""
        return rank_correlation(list(self.values.values()), [self.rates[name] for name in self.values])


def correlation_findings(orderings: Sequence[Ordering]) -> tuple[list[Table], list[str]]:
    """Return the rank correlations group by group, and over all groups where there are three or more.

    Returns:
        Tables; and the same in words, those over all groups first.
    """
    single = [(one, correlation) for one in orderings if (correlation := one.correlation()) is not None]
    together = _together(orderings)
    tables = [*([_by_group(single)] if single else []), *([_over_groups(together)] if together else [])]
    words = [_statement_together(what, found) for what, found in together.items()]
    return tables, words + [_statement(one, correlation) for one, correlation in single]


def _together(orderings: Sequence[Ordering]) -> dict[str, GroupedCorrelation]:
    result = {}
    for what in dict.fromkeys(one.what for one in orderings):
        groups = []
        for one in orderings:
            if one.what == what:
                names = [name for name in one.values if one.rates[name]]
                groups.append(([one.values[n] for n in names], [float(np.mean(one.rates[n])) for n in names]))
        found = grouped_rank_correlation(groups)
        if found is not None:
            result[what] = found
    return result


def _statement_together(what: str, found: GroupedCorrelation) -> str:
    if not math.isfinite(found.rho):
        return f"All {found.groups} groups: {what} has nothing to rank."
    return (
        f"All {found.groups} groups: {what} against final held-out success rate within groups, Spearman's {RHO} = "
        f"{number(found.rho)} (95 % {number(found.low)} to {number(found.high)}, bootstrap over groups) over the means "
        f"of {found.arms} arms."
    )


def _over_groups(together: Mapping[str, GroupedCorrelation]) -> Table:
    rows = [
        {
            "final success rate against": what,
            f"{RHO} within groups": interval(found.rho, found.low, found.high),
            "groups": str(found.groups),
            "arms": str(found.arms),
        }
        for what, found in together.items()
    ]
    records = [
        {
            "property": what,
            "spearman": found.rho,
            "spearman_low": found.low,
            "spearman_high": found.high,
            "groups": found.groups,
            "arms": found.arms,
        }
        for what, found in together.items()
    ]
    caption = (
        "All groups together: Spearman's rank correlation of what is ranked within each group, over the means of arms. "
        "Interval: 95 % percentile bootstrap that draws groups."
    )
    return Table("correlations_over_groups", caption, rows, records)


def _by_group(ranks: Sequence[tuple[Ordering, RankCorrelation]]) -> Table:
    exact = all(found.exact for _, found in ranks)
    rows = [
        {
            "task": one.title,
            "final success rate against": one.what,
            f"{RHO} over trials": interval(found.rho, found.low, found.high),
            "p": _p(found.p_value).removeprefix("= "),
            "trials": str(found.trials),
            f"{RHO} over arms": number(found.arm_rho),
            "p over arms": _p(found.arm_p_value).removeprefix("= "),
            "arms": str(found.arms),
        }
        for one, found in ranks
    ]
    records: list[dict[str, Any]] = [
        {
            "task": one.task,
            "negatives": one.negatives,
            "property": one.what,
            "spearman": found.rho,
            "spearman_low": found.low,
            "spearman_high": found.high,
            "p_value": found.p_value,
            "p_value_exact": found.exact,
            "trials": found.trials,
            "spearman_of_arm_means": found.arm_rho,
            "p_value_of_arm_means": found.arm_p_value,
            "arms": found.arms,
        }
        for one, found in ranks
    ]
    test = "exact (all orders)" if exact else "from 100,000 random orders where there are more than nine trials"
    return Table(
        "correlations",
        "Spearman's rank correlation with the final held-out success rate. Interval: 95 % percentile bootstrap that "
        f"draws seeds within each arm. p: two-sided permutation test, {test}. Over arms, the seeds of one arm count "
        "once: stricter, since four arms can show no less than p = 0.083.",
        rows,
        records,
    )


def _statement(one: Ordering, found: RankCorrelation) -> str:
    if not math.isfinite(found.rho):
        return (
            f"{one.title}: all {found.trials} trials ended with the same held-out success rate; {one.what} has nothing "
            "to rank."
        )
    return (
        f"{one.title}: {one.what} against final held-out success rate, Spearman's {_rho(found)} over "
        f"{found.trials} trials, p {_p(found.p_value)}; over the means of {found.arms} arms "
        f"{number(found.arm_rho)}, p {_p(found.arm_p_value)}."
    )


def _p(value: float) -> str:
    """Return what follows the letter p."""
    return "< 0.001" if value < 0.001 else f"= {number(value, 3)}"


def _rho(found: RankCorrelation) -> str:
    if not math.isfinite(found.low):
        return f"{RHO} = {number(found.rho)} (no interval: one seed an arm)"
    return f"{RHO} = {number(found.rho)} (95 % {number(found.low)} to {number(found.high)})"
