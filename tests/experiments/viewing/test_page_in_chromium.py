"""The page of episodes as a person uses it, in a real headless Chromium, from a file and with nothing else.

It needs the packages of the extra [dev], and a Chromium on the path (Debian: apt-get install chromium).
"""

import re
from dataclasses import replace

import numpy as np
import pytest

from experiments.viewing.page import write_page
from tests.chromium import SERIOUS, chromium, needs_chromium
from tests.vlm_rewards.evaluation.recording.recorded import grid_recorder, grid_recording, play
from vlm_rewards.evaluation.recording import Recording

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
expect = playwright.expect
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser):
    """Opens a page's file. Whatever its scripts throw or are forbidden, or ask of others, fails the test."""
    context = browser.new_context(viewport={"width": 1300, "height": 1100})
    wrong = []

    def open_file(file, fragment=""):
        page = context.new_page()
        page.set_default_timeout(10000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url.startswith(file.as_uri()) else wrong.append(request.url))
        page.goto(file.as_uri() + fragment)
        return page

    yield open_file
    context.close()
    assert not wrong


def rows(page):
    """What the whole list holds, row by row: only those in sight are elements."""
    page.locator("#list").focus()
    page.keyboard.press("Home")
    found = {}
    while True:
        seen = page.evaluate(
            "[...document.querySelectorAll('.episode')].map((row) => [Number(row.ariaPosInSet), row.textContent])"
        )
        found |= dict(seen)
        chosen = page.locator("#list").get_attribute("aria-activedescendant")
        page.keyboard.press("PageDown")
        if page.locator("#list").get_attribute("aria-activedescendant") == chosen:
            return [found[place] for place in sorted(found)]


def numbers(page):
    return [int(row.partition(":")[0]) for row in rows(page)]


@pytest.mark.parametrize(
    ("filter_name", "fits"),
    [
        ("false_positives", lambda episode: episode.is_false_positive),
        ("missed", lambda episode: episode.is_missed),
        ("disagree", lambda episode: episode.disagrees),
        ("all", lambda episode: True),
    ],
)
def test_each_filter_shows_what_it_says_the_most_confident_first(opened, page_file, recording, filter_name, fits):
    page = opened(page_file)
    page.check(f"input[value={filter_name}]")
    wanted = [episode for episode in recording.episodes if fits(episode)]
    assert 0 < len(wanted) <= len(recording.episodes)
    assert filter_name == "all" or len(wanted) < len(recording.episodes)
    expect(page.locator(f"[data-count={filter_name}]")).to_have_text(f"({len(wanted)})")
    ordered = sorted(wanted, key=lambda episode: (-episode.score[1:].max(), episode.number))
    assert numbers(page) == [episode.number for episode in ordered]
    page.select_option("#order", "played")
    assert numbers(page) == sorted(episode.number for episode in wanted)


def test_a_goal_narrows_the_list(opened, page_file, recording):
    page = opened(page_file)
    page.select_option("#goal", label="jump to green")
    assert sorted(numbers(page)) == [one.number for one in recording.episodes if one.goal_id == "green"]


def test_a_frame_shows_what_was_recorded_of_it(opened, page_file, recording):
    episode = next(one for one in recording.episodes if one.is_false_positive and one.true_at is not None)
    page = opened(page_file, f"#{episode.number}")
    expect(page.locator("#words")).to_have_text(episode.instruction)
    says = re.compile(
        f"^False positive: the reward fires at frame {episode.paid_at + 1}, .* frame {episode.true_at + 1}"
    )
    expect(page.locator("#outcome")).to_have_text(says)
    expect(page.locator("#where")).to_have_text(f"{episode.paid_at + 1} of {len(episode)}")
    now = page.locator("#now").inner_text()
    assert "1, the reward fires" in now
    assert "the goal does not hold" in now
    share = episode.score[episode.paid_at]
    assert f"{share:.3f}" in now
    goal = page.locator("#shares tr.goal td.number").first
    assert float(goal.inner_text()) == pytest.approx(share, abs=2e-3)
    expect(page.locator("#shares tbody tr")).to_have_count(len(episode.shares.caption))
    frames = episode.agent_frames.frames()
    for frame in (episode.paid_at, len(episode) - 1):
        page.locator("#frame").fill(str(frame + 1))
        expect(page.locator("#where")).to_have_text(f"{frame + 1} of {len(episode)}")
        assert np.abs(drawn(page, "agent-frame").astype(int) - frames[frame]).mean() < 3
        assert drawn(page, "reward-frame").shape == (32, 32, 3)
    row, column = divmod(int(episode.action[-1]), 4)
    assert f"tap row {row + 1}, column {column + 1}" in page.locator("#now").inner_text()
    expect(page.locator("#curve svg")).to_have_attribute(
        "aria-label", re.compile(f"over {len(episode)} frames.*holds in")
    )
    expect(page.locator("#curve .holds")).to_have_count(int(episode.achieved.sum()))
    expect(page.locator("#curve circle.paid")).to_have_count(int((episode.reward > 0).sum()))


def drawn(page, canvas):
    pixels = page.locator(f"#{canvas}").evaluate(
        "(c) => [c.height, c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    return np.array(pixels[2:], np.uint8).reshape(pixels[0], pixels[1], 4)[..., :3]


def test_the_keyboard_alone_filters_chooses_steps_and_plays(opened, page_file):
    page = opened(page_file)
    expect(page.locator("#where")).not_to_be_empty()
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.locator("input[value=all]")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("input[value=false_positives]")).to_be_checked()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.locator("#list")).to_be_focused()
    first = page.locator("#words").inner_text(), page.locator('[aria-selected="true"]').inner_text()
    page.keyboard.press("ArrowDown")
    assert page.locator('[aria-selected="true"]').inner_text() != first[1]
    assert page.locator("#list").get_attribute("aria-activedescendant") == "row-1"
    page.keyboard.press("n")
    assert page.locator("#list").get_attribute("aria-activedescendant") == "row-2"
    page.keyboard.press("b")
    page.keyboard.press("b")
    assert page.locator('[aria-selected="true"]').inner_text() == first[1]
    before = page.locator("#where").inner_text()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#where").inner_text() != before
    page.keyboard.press("ArrowRight")
    assert page.locator("#where").inner_text() == before
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_text("Pause")
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_text("Play")


def test_another_threshold_is_judged_at_once(opened, page_file, recording):
    page = opened(page_file)
    page.fill("#beta-number", "1")
    expect(page.locator("[data-count=false_positives]")).to_have_text("(0)")
    expect(page.locator("[data-count=missed]")).to_have_text(
        f"({sum(one.true_at is not None for one in recording.episodes)})"
    )
    page.click("#beta-back")
    expect(page.locator("#beta-number")).to_have_value("0.9")
    false = sum(one.is_false_positive for one in recording.episodes)
    expect(page.locator("[data-count=false_positives]")).to_have_text(f"({false})")


def test_truth_alone_and_pictures_left_out_are_said(opened, tmp_path):
    recorder = grid_recorder(None)
    play(4, recorder)
    page = opened(write_page(recorder.recording(4), tmp_path / "truth.html", {}))
    expect(page.locator("#facts")).to_contain_text("none: the truth alone is known")
    expect(page.locator("#shares")).to_have_text("No reward scored this episode.")
    expect(page.locator("#what-if")).to_be_hidden()
    expect(page.locator("input[value=missed]")).to_be_disabled()
    expect(page.locator("#agent-frame")).to_be_visible()
    bare = grid_recording(4, most_bytes=1)
    page = opened(write_page(bare, tmp_path / "bare.html", {}))
    expect(page.locator("#notes")).to_contain_text("The pictures of 4 of 4 episodes are left out")
    expect(page.locator("#agent-says")).to_have_text("Agent frame: left out for lack of room, see above")
    expect(page.locator("#agent-frame")).to_be_hidden()
    whole = grid_recording(1)
    dataset = Recording(whole.facts, tuple(replace(episode, agent_frames=None) for episode in whole.episodes))
    page = opened(write_page(dataset, tmp_path / "dataset.html", {}))
    expect(page.locator("#agent-says")).to_contain_text("a dataset keeps none")
    expect(page.locator("#agent-frame")).to_be_hidden()
    expect(page.locator("#reward-frame")).to_be_visible()
    none = Recording(bare.facts, ())
    page = opened(write_page(none, tmp_path / "none.html", {}))
    expect(page.locator("#shown")).to_have_text("No episode is like this.")


def test_nothing_keeps_anybody_out(opened, page_file):
    """Axe's rules, labels and contrast among them, in both colour schemes."""
    page = opened(page_file)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.check("input[value=disagree]")
        found = axe.Axe().run(page).response["violations"]
        assert [rule["id"] for rule in found if rule["impact"] in SERIOUS] == []


def test_names_are_text_and_the_page_holds_no_address(page_file):
    text = page_file.read_text()
    assert "grid &lt;b&gt;1&lt;/b&gt;" in text
    assert not re.search(r"(src|href)=\"(?!#)", text)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
