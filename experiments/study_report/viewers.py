"""The episodes of a study's trials frame by frame: a page each of one trial a task and arm, beside the report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.study_report.document import slug
from experiments.study_report.records import Study, Trial
from experiments.study_report.trials import median_trials
from experiments.viewing.page import write_page
from experiments.viewing.tracked import read_recording
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.recording import RECORDING_FILE


@dataclass(frozen=True)
class Viewer:
    """A page of episodes.

    Attributes:
        trial: Whose agent acts.
        file: Name of the page; empty where its recording cannot be read.
        says: What is on it, in short, or why there is none.
    """

    trial: Trial
    file: str
    says: str


def write_viewers(study: Study, artifact: Callable[[str, str], bytes | None], folder: Path) -> list[Viewer]:
    """Write the pages of those trials whose films the report shows, as far as they were recorded.

    Args:
        study: Whose finished trials are looked at.
        artifact: Reads a file of a run.
        folder: The report's.
    """
    viewers = []
    for trial in median_trials(study):
        content = artifact(trial.run_id, RECORDING_FILE)
        if content is None:
            continue
        try:
            recording = read_recording(content, f"the trial {trial.run_id}")
        except ConfigError as error:
            # One file that is damaged must not cost the report.
            viewers.append(Viewer(trial, "", str(error)))
            continue
        file = f"episodes_{slug(trial.task)}_{slug(trial.arm)}_{slug(trial.seed)}.html"
        source = {"study": study.name, "trial": f"{trial.task}, {trial.arm}, seed {trial.seed}", "run": trial.run_id}
        write_page(recording, folder / file, source)
        episodes = recording.episodes
        says = f"{len(episodes):,} episodes"
        if recording.facts.reward is not None:
            false, missed = sum(one.is_false_positive for one in episodes), sum(one.is_missed for one in episodes)
            says += f", {false:,} false positives, {missed:,} missed successes"
        viewers.append(Viewer(trial, file, says))
    return viewers
