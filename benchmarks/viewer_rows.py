"""The page of a run's episodes: what recording costs, how large the page is, and how long it keeps one waiting.

Chromium and the packages of the extra [dev] are needed for the last: `apt-get install chromium`.
"""

import functools
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.row import MISSING, Row, benchmark
from envs.registry import make_env
from experiments.viewing.page import write_page
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.evaluation import RandomPolicy, run_episodes
from vlm_rewards.evaluation.episodes import plan_episodes
from vlm_rewards.evaluation.recording import EpisodeRecorder, Recording, StateScorer
from vlm_rewards.extras import needs_extra
from vlm_rewards.reward_preset import packaged_rewards

# What Chromium runs in one go: nothing is drawn and no key is heard meanwhile.
_TASKS = ("RunTask", "ThreadControllerImpl::RunTask")
_OPENINGS = 5


@benchmark("viewer-recording", "viewer-size", "viewer-longest-task")
def viewer(quick: bool) -> list[Row]:
    """Record random episodes in the home, whose every frame is another, and use the page as a person would."""
    episodes = 60 if quick else 300
    make = functools.partial(make_env, "playhouse/Find-v0", preset="small", split="held_out", observation_size=(64, 64))
    preset = packaged_rewards()["reward-pocket-l"]
    env = make()
    tasks = env.get_wrapper_attr("task_set")
    env.close()
    specs = plan_episodes([goal.id for goal in tasks.held_out], episodes, 0)
    # What a model costs is the model's: here its frames are drawn, kept and scored, but not encoded.
    scorer = StateScorer(preset.reward, tasks, FakeEncoder())
    recorder = EpisodeRecorder(
        name="random episodes",
        kind="evaluation",
        scorer=scorer,
        family=tasks.name,
        instruction=lambda goal_id: tasks.goal(goal_id).instruction,
        most_episodes=episodes,
    )
    begin = time.process_time()
    run_episodes(make, RandomPolicy(3), specs)
    bare = time.process_time() - begin
    begin = time.process_time()
    run_episodes(make, RandomPolicy(3), specs, watcher=recorder)
    recording = recorder.recording(total=episodes)
    recorded = time.process_time() - begin
    states = sum(map(len, recording.episodes))
    note = f"{states:,} states of {episodes} episodes: {bare:.1f} s without, {recorded:.1f} s with, no model asked"
    with tempfile.TemporaryDirectory() as folder:
        file, page = Path(folder, "recording.parquet"), Path(folder, "episodes.html")
        recording.save(file)
        write_page(Recording.load(file), page, {})
        size = page.stat().st_size / 1e6
        of_file = f"{file.stat().st_size / 1e6:.1f} MB as a recording; two pictures and 64 captions a state"
        longest, behind = _longest_task(page)
    return [
        Row("viewer-recording", "processor time of random episodes with their recording, over without",
            recorded / bare, 4, "<=", note=note),
        Row("viewer-size", f"page of {episodes} episodes of 51 states", size, 20, "<=", "MB", of_file),
        Row("viewer-longest-task", "longest task of Chromium's main thread to open, filter, sort, step, judge anew",
            longest, 200, "<=", "ms", behind),
    ]  # fmt: skip


def _longest_task(page: Path) -> tuple[float, str]:
    """Return milliseconds of processor time, the median over several openings, and what is behind it.

    Of the wall clock others on the machine have their share, which is no property of the page. NaN without a Chromium.
    """
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        return MISSING, "no Chromium on the path"
    with needs_extra("dev"):
        from playwright.sync_api import sync_playwright

    tasks, opened = [], []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(_OPENINGS):
            tab = browser.new_page(viewport={"width": 1300, "height": 1000})
            browser.start_tracing(page=tab, categories=["toplevel", "devtools.timeline"])
            begin = time.perf_counter()
            tab.goto(page.as_uri())
            tab.wait_for_selector(".episode")
            opened.append(time.perf_counter() - begin)
            _use(tab)
            tasks.append(_longest(json.loads(browser.stop_tracing())["traceEvents"]))
            tab.close()
        browser.close()
    told = ", ".join(f"{processor:.0f} ({wall:.0f})" for processor, wall in tasks)
    note = f"openings, with the wall clock's: {told}; {statistics.median(opened):.2f} s until the list is there"
    return statistics.median(processor for processor, _ in tasks), note


def _use(tab: Any) -> None:
    """Filter, sort, choose, step, and move the threshold."""
    for name in ("false_positives", "missed", "disagree", "all"):
        tab.check(f"input[value={name}]")
    for order in ("up", "played", "down"):
        tab.select_option("#order", order)
    tab.focus("#list")
    for key in ("ArrowDown", "PageDown", "End", "Home", *["ArrowRight"] * 10, "n", "n"):
        tab.keyboard.press(key)
    tab.focus("#beta")
    for _ in range(10):
        tab.keyboard.press("ArrowRight")
    tab.wait_for_timeout(300)


def _longest(events: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return the milliseconds of processor time and of wall clock of the longest task of the page's main thread."""
    names = {(one["pid"], one["tid"]): one["args"]["name"] for one in events if one["name"] == "thread_name"}
    tasks = [
        (one.get("tdur", 0) / 1000, one["dur"] / 1000)
        for one in events
        if one["name"] in _TASKS and one["ph"] == "X" and names.get((one["pid"], one["tid"])) == "CrRendererMain"
    ]
    return max(tasks)
