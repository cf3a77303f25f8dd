"""Writes a contact sheet of the phone's screens: python -m envs.android.device --out sheet.png."""

import argparse
from pathlib import Path

from envs.android.device.contact_sheet import contact_sheet


def main() -> None:
    """Parses the command line and writes the picture."""
    parser = argparse.ArgumentParser(prog="python -m envs.android.device", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where to write the PNG")
    parser.add_argument("--height", type=int, default=400, help="pixels of one screen (default 400)")
    parser.add_argument("--width", type=int, default=250, help="pixels of one screen (default 250)")
    parser.add_argument("--seed", type=int, default=0, help="first content seed (default 0)")
    parser.add_argument("--columns", type=int, default=8, help="screens in a row (default 8)")
    args = parser.parse_args()
    sheet = contact_sheet(range(args.seed, args.seed + 30), args.height, args.width, args.columns)
    sheet.save(args.out)
    print(f"{args.out}: {sheet.size[0]} x {sheet.size[1]} pixels")


if __name__ == "__main__":
    main()
