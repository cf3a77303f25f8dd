"""Colours of the light and the dark theme."""

from typing import NamedTuple

from envs.android.apps import RGB


class Theme(NamedTuple):
    """The colours that one screen is drawn with."""

    dark: bool
    background: RGB
    # Cards, bars and fields that stand out from the background, a little and more.
    surface: RGB
    raised: RGB
    text: RGB
    faint: RGB
    line: RGB
    accent: RGB
    # A pale (or, in the dark, a deep) relative of the accent, and what is legible on the accent.
    tint: RGB
    on_accent: RGB


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Return `a` with `share` in [0, 1] of `b` mixed in."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def luminance(color: RGB) -> float:
    """Return the perceived brightness in [0, 1]."""
    return (0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]) / 255


BLACK: RGB = (0, 0, 0)
WHITE: RGB = (255, 255, 255)
# Discs of initials, event chips, charts.
VIVID: tuple[RGB, ...] = (
    (229, 57, 53),
    (66, 133, 244),
    (52, 168, 83),
    (251, 188, 4),
    (171, 71, 188),
    (0, 172, 193),
    (255, 112, 67),
    (92, 107, 192),
    (124, 179, 66),
    (236, 64, 122),
)


def make_theme(accent: RGB, dark: bool, warmth: float = 0.0) -> Theme:
    """Return the theme of an app.

    Args:
        accent: The colour of its controls.
        dark: Dark theme.
        warmth: How far in [0, 1] backgrounds take on the accent.
    """
    if dark:
        base = mix((18, 18, 20), accent, 0.10 * warmth)
        glow = mix(accent, WHITE, 0.35)
        return Theme(
            *(True, base, mix(base, WHITE, 0.08), mix(base, WHITE, 0.16), (236, 236, 240), (166, 168, 174)),
            *(mix(base, WHITE, 0.2), glow, mix(base, accent, 0.45), BLACK if luminance(glow) > 0.5 else WHITE),
        )
    base = mix(WHITE, accent, 0.10 * warmth)
    return Theme(
        *(False, base, mix(base, BLACK, 0.05), mix(base, BLACK, 0.1), (28, 28, 32), (98, 100, 106)),
        *(mix(base, BLACK, 0.14), accent, mix(WHITE, accent, 0.25), BLACK if luminance(accent) > 0.7 else WHITE),
    )
