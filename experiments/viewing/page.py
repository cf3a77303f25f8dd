"""A recording as one HTML page that needs nothing beside itself."""

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from experiments.shared.atomic_files import write_atomically
from experiments.viewing.bundle import bundle
from vlm_rewards.evaluation.recording import EpisodeRecord, FrameSheet, Recording
from vlm_rewards.evaluation.recording.recording import steps_of

PAGE = "episodes.html"
FOLDER = Path(__file__).parent / "page"
PLAYGROUND = Path(str(resources.files("vlm_rewards"))) / "service" / "http" / "playground"


def write_page(recording: Recording, path: Path, source: Mapping[str, str]) -> Path:
    """Write the page, and return its path.

    Args:
        recording: What it shows.
        path: The HTML file; its folder is made if it is not there.
        source: Where the recording comes from, by heading.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page_of(recording, source))
    return path


def page_of(recording: Recording, source: Mapping[str, str]) -> str:
    """Return the page: pictures lie in it, nothing is fetched, and nothing runs but its own script."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # What the playground shows in the same way looks the same, and is the same code.
    script = bundle("viewer", [FOLDER, PLAYGROUND])
    style = "".join(path.read_text(encoding="utf-8") for path in (PLAYGROUND / "style.css", FOLDER / "viewer.css"))
    return environment.get_template("page.html.j2").render(
        facts=recording.facts,
        source=source,
        blobs=_blobs(recording),
        data=Markup(_data(recording)),
        script=Markup(script),
        style=Markup(style),
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}",
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(recording: Recording) -> str:
    """Return all but pictures and cosines as JSON that can stand in a page."""
    facts = recording.facts
    values = {
        "reward": None if facts.reward is None else facts.reward.model_dump(mode="json"),
        "captions": facts.captions,
        "actions": facts.actions,
        "episodes": [_episode(episode) for episode in recording.episodes],
    }
    return json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")


def _episode(episode: EpisodeRecord) -> dict[str, Any]:
    shares = episode.shares
    return {
        "number": episode.number,
        "goal": episode.goal_id,
        "words": episode.instruction,
        "family": episode.family,
        "seed": episode.seed,
        "actor": episode.actor,
        "fires": episode.fires,
        "action": episode.action.tolist(),
        "achieved": episode.achieved.astype(int).tolist(),
        "true_reward": _numbers(episode.true_reward),
        "score": _numbers(episode.score),
        "caption": None if shares is None else shares.caption.tolist(),
        "rest": None if shares is None else [round(float(rest), 5) for rest in shares.rest],
        "others": 0 if shares is None else shares.others,
        "agent": _sheet(episode.agent_frames),
        "reward_frame": _sheet(episode.reward_frames),
    }


def _numbers(values: npt.NDArray[np.float32] | None) -> list[float] | None:
    """Return float32 numbers in their shortest decimals: they are compared with a threshold again in the page."""
    return None if values is None else [float(str(value)) for value in values]


def _sheet(sheet: FrameSheet | None) -> dict[str, Any] | None:
    if sheet is None:
        return None
    height, width = sheet.size
    there = bool(sheet.webp)
    return {"tile": sheet.tile.tolist(), "height": height, "width": width, "columns": sheet.columns, "there": there}


def _blobs(recording: Recording) -> dict[str, str]:
    """Return pictures and cosines as base64, each by the id of its element: read when their episode is chosen."""
    blobs: dict[str, str] = {}
    for episode in recording.episodes:
        parts = {
            "agent": b"" if episode.agent_frames is None else episode.agent_frames.webp,
            "reward": episode.reward_frames.webp,
            "similarity": b""
            if episode.shares is None
            else steps_of(episode.shares.similarity).astype("<i2").tobytes(),
        }
        blobs |= {
            f"{name}-{episode.number}": base64.b64encode(content).decode() for name, content in parts.items() if content
        }
    return blobs
