"""What the documentation site says exists, does; `make docs-check` builds it and runs its tutorials."""

import re
from dataclasses import fields
from pathlib import Path

import yaml

from vlm_rewards.rllib.metrics import RolloutMetrics

ROOT = Path(__file__).resolve().parents[1]
# Of `ElasticRunners.counts`.
COUNTS = {"env_runners", "env_runners_lost", "env_runner_restarts", "fragments_dropped"}


def pages(entry):
    """The pages of a navigation's entry."""
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [page for part in parts for page in pages(part)]


def test_every_page_is_in_the_navigation_and_the_other_way_round():
    # Its other keys name Python objects, which PyYAML would have to load.
    text = (ROOT / "mkdocs.yml").read_text()
    named = {page for page in pages(yaml.safe_load(text[text.index("\nnav:") :])["nav"]) if page != "reference/"}
    assert named == {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}


def test_every_training_metric_is_explained():
    explained = set(re.findall(r"`train/(\w+)`", (ROOT / "docs" / "metrics.md").read_text()))
    assert explained == {field.name for field in fields(RolloutMetrics)} | COUNTS


def test_the_tutorials_hold_blocks_that_run():
    for name in ("first-reward", "own-environment", "threshold"):
        assert "```python\n" in (ROOT / "docs" / "tutorials" / f"{name}.md").read_text()
