"""The page as a person uses it, in a real headless Chromium: upload, type, slide, step, copy, and all that goes wrong.

It needs the packages of the extra [dev], and a Chromium on the path (Debian: apt-get install chromium).
"""

import ast
import io
import re

import pytest
from PIL import Image

from tests.chromium import SERIOUS, chromium, needs_chromium
from tests.vlm_rewards.playground.conftest import ENV_ID, TASKS
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.reward_preset import RewardPreset
from vlm_rewards.service import InProcessTransport
from vlm_rewards.service.http import BearerTokens, LocalServer, TransportBackend, create_app

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
expect = playwright.expect
pytestmark = needs_chromium

LIT, DARK = (FakeEncoder().frame_of(text) for text in ("a photo of the lamp on", "a photo of a dark room"))


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser, served):
    """The page, opened and ready. Whatever its scripts throw, or ask of others, fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(15000)
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    own = (served.url.removesuffix("playground"), "blob:", "data:")
    page.on("request", lambda request: None if request.url.startswith(own) else wrong.append(request.url))
    opened(page, served)
    yield page
    context.close()
    assert not wrong


def opened(page, served):
    page.goto(served.url)
    expect(page.locator("#env-start")).to_be_enabled()
    expect(page.locator("#environment option")).to_have_count(1)
    page.fill("#goal", TASKS.goals[0].subject)
    page.fill("#template", "a photo of [TASK]")
    page.fill("#others", "\n".join(goal.subject for goal in TASKS.goals))
    page.fill("#states", "\n".join(TASKS.unachieved_captions))


def file_of(picture, name="frame.png", **options):
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, name.rpartition(".")[2].replace("jpg", "jpeg"), **options)
    return {"name": name, "mimeType": "image/any", "buffer": buffer.getvalue()}


def gif_of(*pictures):
    first, *rest = (Image.fromarray(picture) for picture in pictures)
    return file_of(first, "clip.gif", save_all=True, append_images=rest, duration=100)


def p_of(page):
    expect(page.locator("#p")).to_be_visible()
    return float(page.locator("#p").inner_text().removeprefix("p(goal) "))


def test_a_picture_of_ones_own_is_scored_as_the_service_does(page, lamp_model):
    page.set_input_files("#files", file_of(LIT))
    want = float(lamp_model.load().score(LIT[None], ["lit"])[0])
    assert p_of(page) == pytest.approx(want, abs=6e-4)
    expect(page.locator("#r")).to_have_text("reward 1")
    expect(page.locator("#winner")).to_have_text("The goal has the largest share.")
    page.set_input_files("#files", file_of(DARK))
    expect(page.locator("#r")).to_have_text("reward 0")
    expect(page.locator("#winner")).to_contain_text("“a photo of a dark room” has the largest share")
    expect(page.locator("#shares tbody tr").first).to_contain_text("a photo of a dark room (wins)")
    expect(page.locator("#shares tbody tr")).to_have_count(3)


def test_sliders_take_effect_without_asking_anybody(page):
    page.set_input_files("#files", file_of(LIT))
    p = p_of(page)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#beta").focus()
    page.keyboard.press("End")
    expect(page.locator("#r")).to_have_text("reward 0")
    expect(page.locator("#beta-number")).to_have_value("1")
    page.locator("#tau").focus()
    page.keyboard.press("End")
    expect(page.locator("#tau-number")).to_have_value("1")
    assert p_of(page) < p
    page.fill("#tau-number", "0")
    expect(page.locator("#lines")).to_contain_text("τ must lie between")
    page.fill("#beta-number", "0.2")
    expect(page.locator("#r")).to_have_text("reward 1")
    page.select_option("#form", "cosine")
    expect(page.locator("#r")).to_have_text("reward 1.000")
    assert [url for url in asked if "/v1/" in url] == []


def test_the_frames_of_a_clip_are_a_curve(page):
    page.set_input_files("#files", [gif_of(DARK, LIT, LIT // 2 + 63), file_of(DARK)])
    expect(page.locator("#strip li")).to_have_count(4)
    says = re.compile(r"over 4 frames: highest 0\.9\d\d at frame 2; 2 above the threshold 0\.6")
    expect(page.locator("#curve svg")).to_have_attribute("aria-label", says)
    expect(page.locator("#strip li").nth(1)).to_contain_text("✓")
    expect(page.locator("#r")).to_have_text("reward 0")
    page.click("#next")
    expect(page.locator("#r")).to_have_text("reward 1")


def test_other_words_are_scored_as_they_are_typed(page):
    page.set_input_files("#files", file_of(LIT))
    expect(page.locator("#r")).to_have_text("reward 1")
    page.fill("#goal", "a red lamp")
    page.fill("#others", "the lamp on")
    expect(page.locator("#winner")).to_contain_text("“a photo of the lamp on” has the largest share")
    page.reload()
    expect(page.locator("#goal")).to_have_value("a red lamp")
    expect(page.locator("#others")).to_have_value("the lamp on")


def test_an_environment_is_stepped_by_keyboard_alone(page):
    page.locator("#env-start").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#env-says")).to_contain_text("Goal: switch the lamp on. Step 0")
    page.locator("#env-taps button").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Tap row 1, column 2")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#env-says")).to_contain_text("Step 1, tap_0_1; ground truth: the goal does not hold")
    expect(page.locator("#strip li")).to_have_count(2)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="switch", exact=True)).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("#env-says")).to_contain_text("Step 2, switch; ground truth: the goal holds")
    expect(page.locator("#r")).to_have_text("reward 1")
    expect(page.locator("#strip li").nth(2)).to_contain_text("✓")
    page.get_by_role("button", name="break").click()
    expect(page.locator("#lines")).to_contain_text("the lamp broke")


def test_what_is_copied_is_the_same_reward(page, tmp_path, lamp_model):
    page.fill("#states", 'a photo of a dark room\nit\'s "quoted": {x} # y')
    page.set_input_files("#files", file_of(LIT))
    p = p_of(page)
    page.click("#copy-yaml")
    expect(page.locator("#copied")).to_have_value(re.compile("task_set:"))
    path = tmp_path / "copied.yaml"
    path.write_text(page.input_value("#copied"))
    preset = RewardPreset.from_file(path)
    assert preset.tasks.unachieved_captions == ("a photo of a dark room", 'it\'s "quoted": {x} # y')
    model = RewardModel(preset.reward, preset.tasks)
    assert float(model.score(LIT[None], ["goal"])[0]) == pytest.approx(p, abs=6e-4)
    page.click("#copy-python")
    expect(page.locator("#copied")).to_have_value(re.compile("RewardModel"))
    names = {node.id for node in ast.walk(ast.parse(page.input_value("#copied"))) if isinstance(node, ast.Name)}
    assert {"Goal", "TaskSet", "RewardConfig"} <= names
    page.click("#copy-curl")
    expect(page.locator("#copied")).to_have_value(re.compile(r"/v1/embed_texts > texts\.json"))


BAD_FILES = {
    "no picture": ({"name": "none.png", "mimeType": "image/png", "buffer": b"words"}, "none.png is no picture"),
    "nothing": ({"name": "empty.png", "mimeType": "image/png", "buffer": b""}, "empty.png is empty"),
    "50 megapixels": (
        lambda: file_of(Image.new("L", (10000, 5000)), "huge.png"),
        "huge.png: it is 5000 x 10000 pixels",
    ),
    "CMYK": (lambda: file_of(Image.new("CMYK", (32, 32)), "print.jpg"), "save it as a usual JPEG or PNG in RGB"),
    "a cut GIF": (
        lambda: {**gif_of(DARK, LIT), "buffer": gif_of(DARK, LIT)["buffer"][:80]},
        "clip.gif cannot be decoded",
    ),
    "a cut PNG": (lambda: {**file_of(LIT), "buffer": file_of(LIT)["buffer"][:60]}, "frame.png: it cannot be decoded"),
}


def test_each_bad_file_is_a_line_and_the_good_ones_are_scored(page):
    for file, says in BAD_FILES.values():
        page.set_input_files("#files", [file() if callable(file) else file, file_of(LIT, "good.png")])
        expect(page.locator("#lines")).to_contain_text(says)
        page.locator("#strip li").last.get_by_role("button").click()
        expect(page.locator("#r")).to_have_text("reward 1")
        page.click("#clear")


def test_each_bad_word_is_a_line_and_nothing_is_lost(page):
    page.set_input_files("#files", file_of(LIT))
    expect(page.locator("#r")).to_be_visible()
    page.fill("#goal", "")
    expect(page.locator("#lines")).to_contain_text("The goal is empty")
    expect(page.locator("#r")).to_have_count(0)
    page.fill("#goal", "the lamp on")
    page.fill("#template", "a photo")
    expect(page.locator("#lines")).to_contain_text("The template lacks [TASK]")
    page.fill("#template", "a photo of [TASK]")
    page.fill("#states", "A photo of  the lamp ON\na photo of a dark room")
    expect(page.locator("#lines")).to_contain_text("says the same as the goal")
    expect(page.locator("#r")).to_have_text("reward 1")
    page.fill("#states", "")
    page.fill("#others", "")
    expect(page.locator("#lines")).to_contain_text("There is no negative")
    write(page, "#others", "\n".join(f"thing {index}" for index in range(1000)))
    expect(page.locator("#shares caption")).to_contain_text("of 1001")
    write(page, "#others", "\n".join(f"thing {index}" for index in range(2500)))
    expect(page.locator("#lines")).to_contain_text("2501 captions; this page compares 2000 at most")


def write(page, field, text):
    """Chromium takes seconds to type a thousand lines."""
    page.locator(field).evaluate(
        "(field, text) => { field.value = text; field.dispatchEvent(new Event('input')); }", text
    )


def test_without_network_or_model_it_says_so_and_goes_on_afterwards(page, served):
    page.set_input_files("#files", file_of(LIT))
    expect(page.locator("#r")).to_be_visible()
    page.route("**/v1/**", lambda route: route.abort())
    page.fill("#goal", "a lamp of another kind")
    expect(page.locator("#lines")).to_contain_text("The gateway does not answer")
    page.unroute("**/v1/**")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#lines")).not_to_contain_text("The gateway does not answer")
    model = served._transports.pop("lamp-model")
    try:
        page.click("#look-again")
        expect(page.locator("#lines")).to_contain_text("No model runs here", timeout=5000)
    finally:
        served._transports["lamp-model"] = model
    expect(page.locator("#goal")).to_have_value("a lamp of another kind")


def test_a_model_that_is_changed_under_two_tabs_is_scored_anew_in_both(page, served, lamp_model):
    other = page.context.new_page()
    opened(other, served)
    pages = (page, other)
    for tab in pages:
        tab.set_input_files("#files", file_of(LIT))
        expect(tab.locator("#p")).to_be_visible()
    before = served._transports["lamp-model"]
    changed = RewardModel(lamp_model.reward, lamp_model.task_set, FakeEncoder(salt="other weights"))
    served._transports["lamp-model"] = InProcessTransport(changed)
    try:
        for tab in pages:
            tab.fill("#states", "a caption that was not read before")
            expect(tab.locator("#lines")).to_contain_text("was changed while this page was open")
            # The picture was painted for the weights before: to these it is no lamp.
            expect(tab.locator("#winner")).to_be_visible()
            assert p_of(tab) < 0.9
    finally:
        served._transports["lamp-model"] = before
        other.close()


def test_nothing_keeps_anybody_out(page):
    """Axe's rules, labels and contrast among them, on the page as it is opened and, in the dark, amid an episode."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = axe.Axe().run(page).response["violations"]
        assert [rule["id"] for rule in found if rule["impact"] in SERIOUS] == []
        page.select_option("#environment", ENV_ID)
        page.click("#env-start")
        page.get_by_role("button", name="switch", exact=True).click()
        expect(page.locator("#strip li")).to_have_count(2)
        expect(page.locator("#r")).to_be_visible()


# What a person can act on, as Tab should reach it: all that is seen and on, and one button of each group of arrows.
ACTIONABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
    .filter(each => each.checkVisibility() && !each.disabled && each.tabIndex >= 0)
    .map((each, place) => { each.dataset.place = place; return each.id || each.outerHTML.slice(0, 80); })"""
FOCUSED = """() => {
    const style = getComputedStyle(document.activeElement);
    return [document.activeElement.dataset.place ?? null, style.outlineStyle !== "none" || style.boxShadow !== "none"];
}"""


def test_everything_is_reached_by_keyboard_and_seen_to_be(page):
    page.click("#env-start")
    expect(page.locator("#strip li")).to_have_count(1)
    expect(page.locator("#r")).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.evaluate("document.activeElement.blur()")
    names = page.evaluate(ACTIONABLE)
    assert len(names) > 15
    reached = {}
    for _ in range(len(names) + 5):  # the browser's own bar is between the page's end and its beginning
        page.keyboard.press("Tab")
        place, seen = page.evaluate(FOCUSED)
        if place is not None:
            reached[names[int(place)]] = seen
    assert [name for name in names if name not in reached] == []
    assert [name for name, seen in reached.items() if not seen] == []
    # Asked for before the key is pressed, with questions between: a browser that is not told yet opens a window itself.
    choosers = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.locator("#files").focus()
    expect(page.locator("#files")).to_be_focused()
    with page.expect_event("filechooser"):
        page.keyboard.press("Enter")
    choosers[0].set_files(file_of(LIT))
    expect(page.locator("#r")).to_have_text("reward 1")


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_an_animation_is_the_frames_of_an_episode(page, kind):
    first, *rest = (Image.fromarray(picture) for picture in (DARK, LIT, DARK))
    options = {
        "save_all": True,
        "append_images": rest,
        "duration": 100,
        **({"lossless": True} if kind == "webp" else {}),
    }
    page.set_input_files("#files", file_of(first, f"clip.{kind}", **options))
    expect(page.locator("#strip li")).to_have_count(3)
    expect(page.locator("#strip li").nth(1)).to_contain_text("✓")
    expect(page.locator("#strip li").nth(2)).not_to_contain_text("✓")


def test_a_gateway_with_tokens_asks_for_one_and_has_no_environments(browser, lamp_model):
    transports = {"lamp-model": InProcessTransport(lamp_model)}
    app = create_app(TransportBackend(lambda: transports), tokens=BearerTokens(["a-token-for-this-test"]))
    with LocalServer(app) as gateway:
        page = browser.new_page()
        page.goto(f"{gateway.url}/playground")
        expect(page.locator("#lines")).to_contain_text("Write it under “Access token”")
        page.locator("#access summary").click()
        page.fill("#token", "a-token-for-this-test")
        page.keyboard.press("Tab")
        expect(page.locator("#model")).to_have_value("lamp-model")
        expect(page.locator("#lines")).not_to_contain_text("token")
        expect(page.locator("#env-start")).to_be_disabled()
        page.fill("#goal", "the lamp on")
        page.fill("#states", "a photo of a dark room")
        page.set_input_files("#files", file_of(LIT))
        expect(page.locator("#r")).to_have_text("reward 1")
        page.click("#copy-curl")
        expect(page.locator("#copied")).to_have_value(re.compile(r"Bearer \$VLM_REWARDS_TOKEN"))
        assert "a-token-for-this-test" not in page.input_value("#copied")
        page.close()
