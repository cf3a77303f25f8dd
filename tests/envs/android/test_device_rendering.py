"""Pictures of the phone: sizes, variety, what is drawn once, and equality across processes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from envs.android.apps import APPS
from envs.android.device import EVAL_SEED_START, Phone
from envs.android.device.cache import ByteCache
from envs.android.device.contact_sheet import contact_sheet
from envs.android.device.profile import TRAIN_VARIANTS, draw_profile
from envs.android.device.speed import measure_speed

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}"}


def history() -> str:
    """A digest of the frames and the log of a fixed history."""
    digest = hashlib.sha256()
    for layout in ("fixed", "shuffled"):
        for seed, app in enumerate(APPS[::2]):
            phone = Phone(seed, layout)
            digest.update(phone.render(96, 60).tobytes())
            phone.touch_down(0.8, 0.5)
            phone.touch_move(0.45, 0.5)
            digest.update(phone.render(96, 60).tobytes())
            phone.touch_up()
            phone.launch(app.package)
            phone.tick(40.0)
            digest.update(phone.render(128, 80).tobytes())
            phone.touch_down(0.4, 0.7)
            phone.touch_up()
            phone.touch_down(0.5, 0.7)
            phone.touch_move(0.5, 0.3)
            phone.touch_up()
            digest.update(phone.render(400, 250).tobytes())
            digest.update(repr(phone.log_events()).encode())
    return digest.hexdigest()


def app_frame(seed: int, package: str, height: int = 128, width: int = 80) -> np.ndarray:
    phone = Phone(seed)
    phone.launch(package)
    return phone.render(height, width)


@pytest.mark.parametrize("size", [(96, 60), (128, 80), (400, 250), (64, 40), (160, 100)])
def test_frames_are_rendered_at_the_wanted_size(size: tuple[int, int]) -> None:
    phone = Phone(1)
    for prepare in (lambda: None, lambda: phone.launch("com.android.settings")):
        prepare()
        frame = phone.render(*size)
        assert (frame.shape, frame.dtype) == ((*size, 3), np.uint8)
        assert frame.std() > 10


@pytest.mark.parametrize(("size", "bars"), [((224, 224), np.s_[:, :42]), ((300, 100), np.s_[:70])])
def test_other_aspects_are_letterboxed(size: tuple[int, int], bars: tuple[slice, ...]) -> None:
    frame = Phone(1).render(*size)
    assert frame.shape == (*size, 3)
    assert not frame[bars].any()
    assert frame.any()


def test_callers_own_their_frames() -> None:
    phone = Phone(1)
    frame = phone.render(96, 60)
    frame[:] = 0
    assert phone.render(96, 60).any()


def test_small_and_large_renderings_show_the_same() -> None:
    for app in APPS:
        large = Image.fromarray(app_frame(5, app.package, 400, 250)).resize((60, 96), Image.Resampling.BOX)
        small = app_frame(5, app.package, 96, 60).astype(float)
        assert np.abs(np.asarray(large, dtype=float) - small).mean() < 12, app.name


def test_equal_histories_give_equal_frames_in_any_process() -> None:
    # Another hash seed than this process's, and nothing drawn before.
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    code = "from tests.envs.android.test_device_rendering import history; print(history())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=ENVIRONMENT | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.strip() == history()


def test_what_was_drawn_before_does_not_matter() -> None:
    fresh = Phone(7)
    fresh.launch("com.google.android.gm")
    expected = fresh.render(96, 60)
    used = Phone(3)
    for app in APPS:
        used.launch(app.package)
        used.render(96, 60)
    used.reset(7)
    used.launch("com.google.android.gm")
    np.testing.assert_array_equal(used.render(96, 60), expected)


def test_content_theme_wallpaper_clock_and_battery_vary_with_the_seed() -> None:
    profiles = [draw_profile(seed, len(APPS)) for seed in range(200)]
    assert {profile.dark for profile in profiles} == {True, False}
    assert len({profile.wallpaper for profile in profiles}) > 12
    assert len({(profile.started.hour, profile.started.minute) for profile in profiles}) > 150
    assert len({profile.battery for profile in profiles}) > 50
    for app in APPS:
        assert len({app_frame(seed, app.package, 64, 40).tobytes() for seed in range(12)}) == 12, app.name


def test_evaluation_seeds_show_content_that_training_seeds_never_do() -> None:
    train = {variant for seed in range(300) for variant in draw_profile(seed, 24).variants}
    unseen = {variant for seed in range(300) for variant in draw_profile(EVAL_SEED_START + seed, 24).variants}
    assert max(train) < TRAIN_VARIANTS <= min(unseen)
    assert draw_profile(EVAL_SEED_START - 1, 24).variants != draw_profile(EVAL_SEED_START, 24).variants


def test_app_screens_are_clearly_distinct_at_128_by_80() -> None:
    """Whatever the seed and the theme, a screen is nearer to one of its own app than to other apps' screens."""
    frames, labels = [], []
    for label, app in enumerate(APPS):
        for seed in range(24):
            frames.append(app_frame(seed * 31 + label, app.package)[::2, ::2].reshape(-1).astype(np.float32))
            labels.append(label)
    pixels, truth = np.stack(frames), np.array(labels)
    squares = (pixels**2).sum(1)
    distances = squares[:, None] + squares[None] - 2 * pixels @ pixels.T
    np.fill_diagonal(distances, np.inf)
    assert (truth[distances.argmin(1)] == truth).mean() > 0.93


def test_the_clock_app_shows_the_time() -> None:
    phone = Phone(2)
    phone.launch("com.google.android.deskclock")
    before = phone.render(400, 250)
    phone.tick(17 * 60.0)
    after = phone.render(400, 250)
    assert (before[60:260] != after[60:260]).any()


def test_the_status_bar_shows_the_time() -> None:
    phone = Phone(2)
    phone.launch("com.google.android.gm")
    before = phone.render(400, 250)
    phone.tick(60.0)
    changed = np.flatnonzero((phone.render(400, 250) != before).any(axis=(1, 2)))
    assert len(changed) > 0
    assert changed.max() < 17


@pytest.mark.parametrize(
    ("package", "touch"),
    [
        ("com.google.android.calculator", (0.15, 0.5)),
        ("com.google.android.dialer", (0.5, 0.5)),
        ("com.google.android.gm", (0.5, 0.92)),
    ],
)
def test_taps_inside_some_apps_change_their_screen(package: str, touch: tuple[float, float]) -> None:
    phone = Phone(2)
    phone.launch(package)
    before = phone.render(128, 80)
    phone.touch_down(*touch)
    phone.touch_up()
    assert (phone.render(128, 80) != before).any()
    assert phone.foreground == package


def test_lists_scroll_and_come_back() -> None:
    phone = Phone(2)
    phone.launch("com.google.android.gm")
    top = phone.render(128, 80)
    phone.touch_down(0.5, 0.7)
    phone.touch_move(0.5, 0.3)
    phone.touch_up()
    assert (phone.render(128, 80) != top).mean() > 0.1
    phone.touch_down(0.5, 0.3)
    phone.touch_move(0.5, 0.7)
    phone.touch_up()
    np.testing.assert_array_equal(phone.render(128, 80), top)


def test_a_page_follows_the_finger() -> None:
    phone = Phone(2)
    still = phone.render(128, 80)
    phone.touch_down(0.8, 0.5)
    phone.touch_move(0.5, 0.5)
    under_way = phone.render(128, 80)
    phone.touch_move(0.2, 0.5)
    phone.touch_up()
    turned = phone.render(128, 80)
    assert len({hashlib.sha256(frame.tobytes()).digest() for frame in (still, under_way, turned)}) == 3


def test_a_cache_stays_within_its_bytes_and_keeps_what_was_used_last() -> None:
    cache = ByteCache(10_000)
    made = []

    def make(key: int) -> bytes:
        return cache.get(key, lambda: made.append(key) or bytes(1000), len)

    for key in range(20):
        make(0)
        make(key)
    assert cache.nbytes <= 10_000
    assert made.count(0) == 1
    make(1)
    assert made.count(1) == 2


def test_a_screen_is_drawn_once_and_then_taken_from_the_cache(monkeypatch) -> None:
    """What makes a step cheap; how cheap, `python -m envs.android.device.speed` and `make bench` measure."""
    phone = Phone(3)
    phone.launch(APPS[0].package)
    phone.render(96, 60)
    get = ByteCache.get

    def drawn_again():
        pytest.fail("a screen was drawn again")

    monkeypatch.setattr(ByteCache, "get", lambda cache, key, make, size: get(cache, key, drawn_again, size))
    for _ in range(3):
        phone.render(96, 60)
    with pytest.raises(pytest.fail.Exception):
        phone.render(64, 40)


def test_the_speed_of_every_apps_screen_is_measured() -> None:
    speed = measure_speed(96, 60, episodes=8)
    assert set(speed.new_screen) == {app.name for app in APPS}
    assert min(speed.step, speed.reset, *speed.new_screen.values()) > 0


def test_the_contact_sheet_holds_every_app() -> None:
    sheet = contact_sheet(range(4), 64, 40, columns=8)
    assert sheet.size == (8 * 42, 4 * 66)


def test_the_command_line_writes_a_contact_sheet(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    command = [sys.executable, "-m", "envs.android.device", "--out", str(out), "--height", "64", "--width", "40"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True, cwd=ROOT)
    assert Image.open(out).size[0] > 300
    assert "pixels" in done.stdout
