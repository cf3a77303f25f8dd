"""What the documentation site says exists, does; `make docs-check` builds it and runs its notebooks and tutorials."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from scripts.site import check_blocks, run_tutorials
from scripts.site.fences import Block, blocks_of
from vlm_rewards.rllib.metrics import RolloutMetrics

ROOT = Path(__file__).resolve().parents[1]
MEASURES = "platform/vlm_rewards/evaluation/offline/measures.py"
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
    notebooks = {f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.py")}
    assert named == notebooks | {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert len(notebooks) >= 4


def test_every_training_metric_is_explained():
    text = (ROOT / "docs" / "metrics.md").read_text()
    explained = set(re.findall(r"`train/(\w+)`", text[: text.index("## Of recorded states")]))
    assert explained == {field.name for field in fields(RolloutMetrics)} | COUNTS


def test_every_other_metric_is_explained():
    page = (ROOT / "docs" / "metrics.md").read_text()
    sources = [path.read_text() for path in (ROOT / "experiments").rglob("*.py")]
    kinds = "evaluation|held_out|reward_hacking|tracking|cluster|calibration|zero_shot"
    logged = {name for text in sources for name in re.findall(rf'"((?:{kinds})/[a-z_]+)"', text)}
    assert len(logged) > 10
    row = re.search(r"def row.*?return \{(.*?)\}", (ROOT / MEASURES).read_text(), re.DOTALL)
    logged |= {
        name.removesuffix("_low").removesuffix("_high") for name in re.findall(r'^ +"([\w.]+)":', row[1], re.MULTILINE)
    }
    short = {name.removesuffix("_low").removesuffix("_high") for name in logged}
    assert {name for name in short if f"`{name}`" not in page} == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "tutorials").glob("*.md")), ids=lambda page: page.stem)
def test_every_tutorial_holds_something_that_runs(page):
    assert any(run_tutorials.programs(page))


def test_the_readme_is_a_screen_and_a_half():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 70


def test_the_code_in_the_documentation_is_there_to_be_used():
    wrong = [
        f"{block.page.relative_to(ROOT)}:{block.line}: {text}"
        for page in check_blocks.PAGES
        for block in blocks_of(page)
        for text in check_blocks.faults_of(block, quick=True)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("language", "text", "says"),
    [
        ("python", "import numpy as", "invalid syntax"),
        ("python", "from vlm_rewards.goals import TaskSets", "no vlm_rewards.goals.TaskSets"),
        ("python", "import no_such_package", "no no_such_package"),
        ("yaml", "reward: [", "no YAML"),
        ("bash", "python -m experiments.train --sett seed=1", "No such option"),
        ("bash", "python -m experiments.train --preset nowhere", "no preset nowhere"),
        ("bash", "python -m experiments.train --seed \\\n  one", "one"),
        ("bash", "python -m experiments.precision agre", "no subcommand 'agre'"),
        ("bash", "ls && python -m experiments.trains", "no module experiments.trains"),
        ("bash", "X=1 vlm-rewards scores .", "no subcommand 'scores'"),
        ("bash", "ray job submit -- env A=1 python -m experiments.train --nothing", "No such option"),
        ("inline", "make tests", "no `make tests`"),
        ("bash", "pip install 'vlm-rewards[server]'", "no extra 'server'"),
        ("bash", "serve run serve_deployments/nowhere.yaml", "no serve_deployments/nowhere.yaml"),
        ("bash", "frobnicate", "'frobnicate' is not known"),
        ("bash", "echo 'open", "no shell could read it"),
    ],
)
def test_a_mistake_in_a_block_is_found(language, text, says):
    block = Block(ROOT / "README.md", 1, language, text)
    assert any(says in fault for fault in check_blocks.faults_of(block, quick=True))
