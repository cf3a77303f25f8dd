"""Writing a report into a folder."""

from pathlib import Path

from experiments.shared.atomic_files import write_atomically
from experiments.study_report.figures.theme import DARK, LIGHT, render
from experiments.study_report.page import html_page, markdown_page
from experiments.study_report.provenance import provenance
from experiments.study_report.reading import PRESET_FILE, StudyReader
from experiments.study_report.records import Study
from experiments.study_report.trials import trial_table, videos
from experiments.study_report.viewers import write_viewers
from vlm_rewards.errors import VLMRewardsError

PAGE = "report.html"


def write_report(reader: StudyReader, study: Study, folder: Path) -> Path:
    """Write figures, tables, pages of episodes and the report's own, and return the HTML page.

    Args:
        reader: What reads videos and recordings.
        study: What was run.
        folder: Where files go; made if it does not exist.

    Raises:
        VLMRewardsError: No trial has finished.
    """
    if not any(trial.finished for trial in study.trials):
        reasons = sorted({trial.end_reason for trial in study.trials if trial.end_reason})
        because = f"; end reasons: {' / '.join(reasons)[:300]}" if reasons else ""
        raise VLMRewardsError(
            f"the study {study.name!r} has nothing to report yet: {study.counts()}{because}; wait for its first trial, "
            "or continue the study with --resume"
        )
    findings = study.kind.findings(study)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {}
    for figure in findings.figures:
        pictures[figure.name] = (render([figure.drawing], LIGHT), render([figure.drawing], DARK))
        write_atomically(folder / f"{figure.name}.png", pictures[figure.name][0])
    # All panels in one picture, as the paper has them: for a README, or a slide.
    together = f"{study.kind.name}.png"
    if findings.figures:
        write_atomically(folder / together, render([f.drawing for f in findings.figures], LIGHT, findings.columns))
    trials, facts = trial_table(study), provenance(study)
    for table in (*findings.tables, trials):
        write_atomically(folder / f"{table.name}.csv", table.csv())
    if study.preset:
        write_atomically(folder / PRESET_FILE, study.preset)
    viewers = write_viewers(study, reader.artifact, folder)
    write_atomically(folder / "report.md", markdown_page(study, findings, trials, facts, together, viewers))
    films = videos(study, reader.artifact)
    page = folder / PAGE
    write_atomically(page, html_page(study, findings, pictures, films, trials, facts, viewers))
    return page
