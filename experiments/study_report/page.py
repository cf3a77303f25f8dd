"""The report as one HTML page that needs nothing beside itself, and as Markdown."""

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from experiments.study_report.document import Findings, Table
from experiments.study_report.records import Study
from experiments.study_report.trials import Video

STYLE = Path(__file__).with_name("page.css")
KINDS = {"learning_curves": "Learning curves", "model_size": "Model size", "prompts": "Prompt templates"}
NUMERIC = re.compile(r"[\d,.\u2212\u2013 ]+(\([\d.\u2212 to]+\))?|\d+ of \d+")


def html_page(
    study: Study,
    findings: Findings,
    pictures: Mapping[str, tuple[bytes, bytes]],
    films: Sequence[Video],
    trials: Table,
    facts: Mapping[str, str],
) -> str:
    """Return the page: figures and videos lie in it, nothing is fetched, and nothing is executed.

    Args:
        study: What was run.
        findings: What it shows.
        pictures: Each figure as PNG, for a light and for a dark page, by name.
        films: Best and worst goals.
        trials: Every trial.
        facts: Provenance, by heading.
    """
    incomplete = study.planned() != sum(trial.finished for trial in study.trials)
    parts = [
        f'<p class="eyebrow">{escape(KINDS[study.kind])}</p>',
        f"<h1>{escape(study.title)}</h1>",
        f'<p class="lead{" warning" if incomplete else ""}">{escape(_lead(study))}</p>',
        _list(findings.statements),
        '<div class="panels">',
        *(_picture(figure.description, *pictures[figure.name]) for figure in findings.figures),
        f'</div><p class="caption">{escape(findings.caption)}</p>',
        "<h2>Numbers</h2>",
        *(_table(table) for table in findings.tables),
    ]
    if films:
        parts += [
            "<h2>Best and worst goals</h2>",
            '<p class="caption">One evaluation episode each of the trial with the median success among its seeds. '
            "Its goal stands above the picture.</p>",
            *_films(films),
        ]
    parts += [
        "<h2>Trials</h2>",
        _table(trials),
        "<h2>Provenance</h2>",
        "<dl>" + "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts.items()) + "</dl>",
    ]
    if study.preset:
        parts.append(f"<details><summary>Preset</summary><pre>{escape(study.preset)}</pre></details>")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(study.title)}</title>\n<style>\n{STYLE.read_text()}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def markdown_page(study: Study, findings: Findings, trials: Table, facts: Mapping[str, str], figure: str) -> str:
    """Return the same as Markdown, without videos; the picture of all figures lies beside it as `figure`."""
    lines = [f"# {study.title}\n", f"{_lead(study)}\n"]
    if findings.statements:
        lines.append("".join(f"- {statement}\n" for statement in findings.statements))
    if findings.figures:
        lines += [f"![{study.title}]({figure})\n", f"{findings.caption}\n"]
    for table in (*findings.tables, trials):
        lines += [f"{table.caption}\n", table.markdown()]
    lines += ["| provenance | |\n| --- | --- |\n" + "".join(f"| {key} | {value} |\n" for key, value in facts.items())]
    return "\n".join(lines)


def _lead(study: Study) -> str:
    state = "The study still runs: " if study.status == "RUNNING" else ""
    return f"{state}{study.counts()}."


def _list(statements: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(statement)}</li>" for statement in statements) + "</ul>" if statements else ""


def _picture(description: str, light: bytes, dark: bytes) -> str:
    """Return a figure that follows the reader's colour scheme."""
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{_png(dark)}">'
        f'<img src="{_png(light)}" alt="{escape(description)}"></picture></figure>'
    )


def _png(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _films(films: Sequence[Video]) -> list[str]:
    """Return the videos under a heading a task."""
    parts = []
    for task in dict.fromkeys(film.trial.task for film in films):
        parts.append(f'<h3>{escape(task)}</h3><div class="videos">')
        for film in films:
            if film.trial.task == task:
                title = f"{film.trial.arm}: {film.title}"
                alt = f"Video of an agent, {task}, {title}"
                parts.append(
                    f'<figure><img loading="lazy" src="{film.data_uri()}" alt="{escape(alt)}">'
                    f"<figcaption>{escape(title)}, seed {escape(film.trial.seed)}</figcaption></figure>"
                )
        parts.append("</div>")
    return parts


def _table(table: Table) -> str:
    """Return a table that scrolls inside itself where it is too wide for the screen."""
    headings = list(table.rows[0])
    classes = {heading: _column_class(heading, [row[heading] for row in table.rows]) for heading in headings}
    head = "".join(f'<th class="{classes[heading]}">{escape(heading)}</th>' for heading in headings)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{classes[heading]}">{escape(row[heading])}</td>' for heading in headings)
        + "</tr>\n"
        for row in table.rows
    )
    return (
        f'<p class="caption">{escape(table.caption)}</p>\n<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{escape(table.name)}"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )


def _column_class(heading: str, cells: Sequence[str]) -> str:
    if heading == "MLflow run":
        return "id"
    if max(map(len, cells)) > 44:
        return "long"
    return "number" if all(NUMERIC.fullmatch(cell) for cell in cells) else "text"
