"""Writes a contact sheet of the phone's screens, or measures how fast it is.

python -m envs.android.device --out sheet.png
python -m envs.android.device --speed --height 96 --width 60
"""

import argparse
from pathlib import Path

from envs.android.apps import APP_SETS
from envs.android.device.contact_sheet import contact_sheet
from envs.android.device.phone import LAYOUTS
from envs.android.device.speed import measure_speed


def main() -> None:
    """Parse the command line and do what it asks."""
    parser = argparse.ArgumentParser(
        prog="python -m envs.android.device",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="write a contact sheet to this PNG file")
    what.add_argument("--speed", action="store_true", help="print microseconds of processor time")
    parser.add_argument("--height", type=int, default=400, help="pixels of one screen (default 400)")
    parser.add_argument("--width", type=int, default=250, help="pixels of one screen (default 250)")
    parser.add_argument("--seed", type=int, default=0, help="first content seed (default 0)")
    parser.add_argument("--columns", type=int, default=8, help="screens in a row of the sheet (default 8)")
    parser.add_argument("--layout", choices=LAYOUTS, default="fixed", help="launcher layout for --speed")
    parser.add_argument("--apps", choices=tuple(APP_SETS), default="common", help="what is installed")
    args = parser.parse_args()
    if args.out:
        sheet = contact_sheet(
            range(args.seed, args.seed + 30), args.height, args.width, args.columns, APP_SETS[args.apps]
        )
        sheet.save(args.out)
        print(f"{args.out}: {sheet.size[0]} x {sheet.size[1]} pixels")
        return
    speed = measure_speed(args.height, args.width, args.layout, seed=args.seed, apps=APP_SETS[args.apps])
    new = sorted(speed.new_screen.items(), key=lambda item: item[1])
    print(f"step (resets included) {speed.step:.0f} us, reset {speed.reset:.0f} us")
    print("new app screens: " + ", ".join(f"{name} {us:.0f}" for name, us in new) + " us")


if __name__ == "__main__":
    main()
