"""How the figures of studies look, on paper and in the dark."""

import io
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

PANEL_INCHES = (5.0, 4.1)
DPI = 150


@dataclass(frozen=True)
class Theme:
    """Colours of a figure.

    Attributes:
        name: `light` or `dark`.
        background: Colour of the page that the figure stands on.
        ink: Colour of text and axes.
        faint: Colour of what is there for comparison: the random policy, a reference agent.
        reward: Colour of the reward return.
        truth: Colour of the success rate, by ground truth.
        precision: Colour of online precision.
        alarm: Colour of the reward-hacking alarm.
        shades: Ends of the part of matplotlib's viridis from which ordered arms are coloured, first to last.
    """

    name: str
    background: str
    ink: str
    faint: str
    reward: str
    truth: str
    precision: str
    alarm: str
    shades: tuple[float, float]

    def ordered_colours(self, count: int) -> list[Any]:
        """Return a colour for each of `count` arms in an order that the eye can follow."""
        from matplotlib import colormaps

        first, last = self.shades
        return [colormaps["viridis"](first + (last - first) * i / max(count - 1, 1)) for i in range(count)]


LIGHT = Theme(
    name="light",
    background="#ffffff",
    ink="#26282c",
    faint="#85888f",
    reward="#1f77b4",
    truth="#d95f02",
    precision="#55585e",
    alarm="#c2183c",
    shades=(0.88, 0.05),
)
DARK = Theme(
    name="dark",
    background="#17191d",
    ink="#dfe1e5",
    faint="#8b8f97",
    reward="#6cb2eb",
    truth="#ff9a4d",
    precision="#b4b8bf",
    alarm="#ff6b81",
    shades=(0.3, 1.0),
)

Drawing = Callable[[Any, Theme], None]
"""Draws one panel into a matplotlib (sub)figure."""


def render(drawings: Sequence[Drawing], theme: Theme, columns: int = 2) -> bytes:
    """Return panels, row by row, as one PNG."""
    import matplotlib
    from matplotlib.figure import Figure

    columns = min(columns, len(drawings))
    rows = math.ceil(len(drawings) / columns)
    width, height = PANEL_INCHES
    settings: Any = {
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.edgecolor": theme.faint,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "axes.facecolor": theme.background,
        "figure.facecolor": theme.background,
        "grid.color": theme.faint,
        # Names are text: a dollar sign in one begins no formula.
        "text.parse_math": False,
    }
    with matplotlib.rc_context(settings):
        # A figure of its own, not pyplot's: no global state, and no display is needed.
        figure = Figure(figsize=(width * columns, height * rows), dpi=DPI, layout="constrained")
        panels = figure.subfigures(rows, columns, squeeze=False).ravel()
        for panel, drawing in zip(panels, drawings, strict=False):
            drawing(panel, theme)
        file = io.BytesIO()
        figure.savefig(file, format="png")
    return file.getvalue()


def title_above(figure: Any, title: str, subtitle: str = "") -> None:
    """Write a panel's title over its whole width, since its axes may be narrow."""
    lines = textwrap.wrap(title, 52) + ([subtitle] if subtitle else [])
    figure.suptitle("\n".join(lines), fontsize=10.5)


def legend_below(figure: Any, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Write the legend under the axes, where it hides no curve, in as many columns as the labels leave room for."""
    longest = sorted(map(len, labels))[-2:]
    columns = 2 if sum(longest) <= 66 else 1
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)


def tidy(axes: Any) -> None:
    """Leave of the axes' frame and grid what helps reading."""
    axes.grid(alpha=0.25, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def step_axis(axes: Any) -> None:
    """Label the horizontal axis as environment steps, in thousands or millions as fits."""
    from matplotlib.ticker import FuncFormatter

    axes.set_xlim(left=0)
    millions = axes.get_xlim()[1] >= 2e6
    unit, name = (1e6, "millions") if millions else (1e3, "thousands")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit:g}"))
    axes.set_xlabel(f"environment steps ({name})")
