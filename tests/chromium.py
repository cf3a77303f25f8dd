"""A real headless Chromium for tests of pages.

It needs the packages of the extra [dev], and a Chromium on the path (Debian: apt-get install chromium).
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path: apt-get install chromium")
#: Impacts of axe's findings that no page may have.
SERIOUS = ("serious", "critical")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of playwright's, closed at the end of the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        # Debian's sandbox needs what root in a container does not have.
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
