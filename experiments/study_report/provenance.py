"""Where a study's numbers come from, for a reviewer who wants to make them again."""

import shlex
import time

from experiments.study_report.document import duration
from experiments.study_report.reading import PRESET_FILE
from experiments.study_report.records import Study


def provenance(study: Study) -> dict[str, str]:
    """Return commit, versions, times, seeds and commands, by heading."""
    tags = study.tags
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(study.started / 1000))
    seeds = sorted({trial.seed for trial in study.trials}, key=lambda seed: (len(seed), seed))
    spent = sum(trial.seconds or 0.0 for trial in study.trials)
    versions = [f"{key.removeprefix('version.')} {tags[key]}" for key in sorted(tags) if key.startswith("version.")]
    facts = {
        "study": f"{study.name} ({study.kind.name}), MLflow run {study.run_id}",
        "status": f"{study.status}: {study.counts()}",
        "began": began,
        "wall time": f"{duration(study.seconds)}; trials one after the other: {duration(spent)}",
        "seeds": ", ".join(seeds),
        "commit": tags.get("git_sha", "unknown"),
        "versions": ", ".join([f"Python {tags['python']}"] * ("python" in tags) + versions),
        "end reason": tags.get("end_reason", ""),
        "to run it again": f"python -m experiments.{study.kind.name} --preset {PRESET_FILE}" if study.preset else "",
        "this report": f"python -m experiments.report {shlex.quote(study.name)}",
    }
    return {key: value for key, value in facts.items() if value}
