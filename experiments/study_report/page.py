"""The report as one HTML page that needs nothing beside itself, and as Markdown."""

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from experiments.shared.cells import markdown_text
from experiments.study_report.document import Findings, Table
from experiments.study_report.records import Study
from experiments.study_report.trials import Video
from experiments.study_report.viewers import Viewer

FOLDER = Path(__file__).parent
TEMPLATE, STYLE = "page.html.j2", "page.css"
NUMERIC = re.compile(r"[\d,.\u2212\u2013 ]+(\([\d.\u2212 to]+\))?|\d+ of \d+")


def html_page(
    study: Study,
    findings: Findings,
    pictures: Mapping[str, tuple[bytes, bytes]],
    films: Sequence[Video],
    trials: Table,
    facts: Mapping[str, str],
    viewers: Sequence[Viewer] = (),
) -> str:
    """Return the page: figures and videos lie in it, nothing is fetched, and nothing is executed.

    Args:
        study: What was run.
        findings: What it shows.
        pictures: Each figure as PNG, for a light and for a dark page, by name.
        films: Best and worst goals.
        trials: Every trial.
        facts: Provenance, by heading.
        viewers: Pages of episodes beside it, which it links to.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"data_uri": _data_uri, "column_classes": _column_classes}
    return environment.get_template(TEMPLATE).render(
        study=study,
        style=Markup((FOLDER / STYLE).read_text(encoding="utf-8")),
        lead=_lead(study),
        incomplete=study.planned() != sum(trial.finished for trial in study.trials),
        findings=findings,
        pictures=pictures,
        films=films,
        trials=trials,
        facts=facts,
        viewers=viewers,
    )


def markdown_page(
    study: Study,
    findings: Findings,
    trials: Table,
    facts: Mapping[str, str],
    figure: str,
    viewers: Sequence[Viewer] = (),
) -> str:
    """Return the same as Markdown, without videos; the picture of all figures lies beside it as `figure`."""
    title = markdown_text(study.title)
    lines = [f"# {title}\n", f"{_lead(study)}\n"]
    if findings.statements:
        lines.append("".join(f"- {markdown_text(statement)}\n" for statement in findings.statements))
    if findings.figures:
        lines += [f"![{title}]({figure})\n", f"{markdown_text(findings.caption)}\n"]
    for table in (*findings.tables, trials):
        lines += [f"{markdown_text(table.caption)}\n", table.markdown()]
    if viewers:
        listed = [f"- {_linked(one)}: {markdown_text(one.says)}\n" for one in viewers]
        lines.append("Episodes frame by frame:\n\n" + "".join(listed))
    told = "".join(f"| {key} | {markdown_text(value)} |\n" for key, value in facts.items())
    lines += [f"| provenance | |\n| --- | --- |\n{told}"]
    return "\n".join(lines)


def _linked(viewer: Viewer) -> str:
    trial = viewer.trial
    name = markdown_text(f"{trial.task}, {trial.arm}, seed {trial.seed}")
    return f"[{name}]({viewer.file})" if viewer.file else name


def _lead(study: Study) -> str:
    state = "The study still runs: " if study.status == "RUNNING" else ""
    return f"{state}{study.counts()}."


def _data_uri(content: bytes, kind: str) -> str:
    """Return a file as part of a page."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _column_classes(table: Table) -> dict[str, str]:
    """Return how each column is set, by heading."""
    return {heading: _column_class(heading, [row[heading] for row in table.rows]) for heading in table.rows[0]}


def _column_class(heading: str, cells: Sequence[str]) -> str:
    if heading == "MLflow run":
        return "id"
    if max(map(len, cells)) > 44:
        return "long"
    return "number" if all(NUMERIC.fullmatch(cell) for cell in cells) else "text"
