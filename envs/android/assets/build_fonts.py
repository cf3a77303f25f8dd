"""Re-makes the small font files beside this module from the full fonts.

Not needed to run anything: the results are committed. Sources, both from npm: `@mdi/font` 7.4.47 (Apache-2.0) and
`@expo-google-fonts/roboto` 0.4.3 (Roboto, SIL OFL 1.1). Needs `fontTools`.

    npm pack @mdi/font @expo-google-fonts/roboto    # and unpack both
    python -m envs.android.assets.build_fonts MDI/fonts/materialdesignicons-webfont.ttf ROBOTO/
"""

import argparse
import json
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

ASSETS = Path(__file__).parent
ROBOTO_FILES = {
    "roboto-light.ttf": "300Light/Roboto_300Light.ttf",
    "roboto-regular.ttf": "400Regular/Roboto_400Regular.ttf",
    "roboto-medium.ttf": "500Medium/Roboto_500Medium.ttf",
}

TEXT = "".join(map(chr, range(0x20, 0x7F))) + "¡¿£¥°²±·×÷ÇßàáâäãåæçèéêëìíîïñòóôöõøùúûüÉÑÖÜ–—‘’“”•…€−√π→"  # noqa: RUF001


def icon_names() -> list[str]:
    """Return the names listed in icons.txt, sorted and without repeats."""
    lines = (ASSETS / "icons.txt").read_text().splitlines()
    return sorted({name for line in lines if not line.startswith("#") for name in line.split()})


def write_subset(source: Path, target: Path, codepoints: set[int]) -> None:
    """Write to `target` the outlines of `codepoints` alone, without hinting and layout tables."""
    options = subset.Options(
        hinting=False, layout_features=[], name_IDs=[0, 1, 2, 13, 14], notdef_outline=True, glyph_names=False
    )
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "MVAR", "STAT", "gasp", "DSIG"]
    font = subset.load_font(str(source), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codepoints)
    subsetter.subset(font)
    subset.save_font(font, str(target), options)


def build(mdi: Path, roboto: Path) -> None:
    """Write icons.ttf, icons.json (name to code point) and the three Roboto weights.

    Args:
        mdi: Path of materialdesignicons-webfont.ttf.
        roboto: Folder of the unpacked @expo-google-fonts/roboto package.

    Raises:
        SystemExit: If a name in icons.txt is not in the icon font.
    """
    codes = {name: code for code, name in TTFont(mdi).getBestCmap().items()}
    names = icon_names()
    if unknown := [name for name in names if name not in codes]:
        raise SystemExit(f"not in {mdi.name}, remove from icons.txt: {' '.join(unknown)}")
    write_subset(mdi, ASSETS / "icons.ttf", {codes[name] for name in names})
    table = {name: codes[name] for name in names}
    (ASSETS / "icons.json").write_text(json.dumps(table, indent=0, sort_keys=True) + "\n")
    for target, source in ROBOTO_FILES.items():
        write_subset(roboto / source, ASSETS / target, set(map(ord, TEXT)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mdi", type=Path)
    parser.add_argument("roboto", type=Path)
    args = parser.parse_args()
    build(args.mdi, args.roboto)
