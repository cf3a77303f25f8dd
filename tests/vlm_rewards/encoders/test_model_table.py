"""docs/models.md is what its command gives, and agrees with what is known of the models."""

from pathlib import Path

import pytest

from vlm_rewards.encoders import packaged_models
from vlm_rewards.encoders.known_models import KNOWN_MODELS
from vlm_rewards.encoders.model_table import known_cost, packaged_cost, table

PAGE = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
# Published parameters of both towers together in millions, and GFLOPs of the image tower.
PUBLISHED = {
    "vit-b32": (151.3, 8.8),
    "vit-b16": (149.6, 35),
    "siglip2-b16": (375.2, 35.4),
    "vit-l14": (427.6, 162),
    "vit-l14-336": (427.9, 382),
    "vit-h14": (986.1, 335),
    "vit-bigg14": (2539.6, 968),
}
QUICK = ["vit-b32", "siglip2-b16", "vit-l14"]


@pytest.fixture(scope="module")
def costs():
    known = {model.name: model for model in KNOWN_MODELS}
    return {name: known_cost(known[name]) for name in QUICK}


def test_the_page_is_what_the_command_gives(costs):
    packaged = [packaged_cost(name) for name in packaged_models()]
    for line in table([*packaged, *costs.values()]).splitlines():
        assert line in PAGE, "run `python -m vlm_rewards.encoders.model_table > docs/models.md`"


def test_costs_are_the_published_ones(costs):
    for name, cost in costs.items():
        params, gflops = PUBLISHED[name]
        assert (cost.image_params + cost.text_params) / 1e6 == pytest.approx(params, rel=1e-3), name
        assert cost.gflops == pytest.approx(gflops, rel=0.01), name


def test_every_model_of_the_ladder_is_on_the_page_with_its_published_cost():
    rows = {
        cells[1]: cells
        for cells in ([cell.strip() for cell in line.split("|")] for line in PAGE.splitlines())
        if len(cells) > 2
    }
    assert {model.name for model in KNOWN_MODELS} == set(PUBLISHED)
    assert set(PUBLISHED) | set(packaged_models()) == set(rows) - {"name", "---"}
    for name, (params, gflops) in PUBLISHED.items():
        image, text, cost = (float(cell.replace(",", "")) for cell in rows[name][5:8])
        assert image + text == pytest.approx(params, abs=1.1)
        assert cost == pytest.approx(gflops, rel=0.01)
