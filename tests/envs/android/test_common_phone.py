"""The common phone stays as it is: presets, recorded rewards and the packaged model were made on its pictures."""

import hashlib

import PIL
import pytest

from envs.android.apps import APPS
from envs.android.device import EVAL_SEED_START, Phone

# Recorded before the diverse phone came. A change of this value means that the packaged pocket-android, the results in
# docs/results and every preset on open_common_apps have to be made anew.
DIGEST = "ee78d8f1e24129163f4023ffd306ca7f2536d38a6bd9f3ce980955bcd6a438e0"
PILLOW = 13


@pytest.mark.skipif(int(PIL.__version__.split(".")[0]) != PILLOW, reason=f"recorded with Pillow {PILLOW}")
def test_frames_and_logs_of_the_common_phone_are_bit_for_bit_as_recorded() -> None:
    digest = hashlib.sha256()
    for layout in ("fixed", "shuffled"):
        phone = Phone(0, layout)
        for seed, app in enumerate(APPS):
            phone.reset(seed if seed % 3 else EVAL_SEED_START + seed)
            digest.update(phone.render(96, 60).tobytes())
            for start, end in (((0.8, 0.5), (0.2, 0.5)), ((0.5, 0.8), (0.5, 0.3))):
                phone.touch_down(*start)
                phone.touch_move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
                digest.update(phone.render(96, 60).tobytes())
                phone.touch_move(*end)
                phone.touch_up()
                digest.update(phone.render(128, 80).tobytes())
            phone.launch(app.package)
            phone.tick(40.0)
            digest.update(phone.render(128, 80).tobytes())
            phone.touch_down(0.5, 0.7)
            phone.touch_move(0.5, 0.3)
            phone.touch_up()
            digest.update(phone.render(96, 60).tobytes())
            digest.update(repr(phone.log_events()).encode())
    assert digest.hexdigest() == DIGEST
