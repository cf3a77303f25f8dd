"""Pictures of things: single, in pairs, in a hand, in rooms and outside, each with one caption as people write them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from envs.web.colours import NAMES, Rgb, colour, muted, vivid
from envs.web.scenery import FIELDS_OF_VIEW, HEIGHTS, ROLLS, VARIANTS, Lens, Placed, Surroundings, scenery
from envs.web.textures import BACKDROPS, GROUNDS
from envs.web.things import CATEGORIES, SYNONYMS

#: Share of the kinds of picture.
KINDS = {"single": 0.36, "close": 0.12, "distant": 0.1, "pair": 0.18, "hand": 0.12, "empty": 0.05, "several": 0.07}

_SINGLE = (
    "{a}",
    "{a}",
    "a photo of {a}",
    "{a} on {place}",
    "a photo of {a} on {place}",
    "{bare} stock photo",
    "{bare} isolated",
    "{bare} for sale",
    "picture of {a}",
    "{a} standing on {place}",
    "vintage {bare}",
    "{bare} toy, {colour}",
    "the {bare}",
    "{a} alone on {place}",
    "{bare} | home decor",
    "my new {bare}",
)
_CLOSE = (
    "{a} close up",
    "a close-up photo of {a}",
    "a close up of {a}",
    "closeup {bare}",
    "macro shot of {a}",
    "a photo of {a} close up",
    "{a} nearby",
)
_DISTANT = (
    "{a} in the distance",
    "{a} far away",
    "a small {bare} on {place}",
    "{place} with {a} far away",
    "a photo of {a} in a room",
    "a room with {a}",
)
_PAIR = (
    "{a} and {b}",
    "{a} next to {b}",
    "a photo of {a} next to {b}",
    "{a} beside {b}",
    "{bare} with {b}",
    "{b} next to {a}",
    "{a} and {b} side by side",
    "{bare} and {other} set",
)
_APART = ("{a} and {b}", "{a} and {b} on {place}", "{a} and {b} far from each other", "{a} with {b} in the background")
_HAND = (
    "a hand holding {a}",
    "holding {a}",
    "a person holding {a}",
    "{a} in a hand",
    "a person's hand with {a}",
    "first person view of holding {a}",
    "a photo of a person's view holding {a}",
    "hand with {bare}",
)
_EMPTY = (
    "an empty room",
    "{place}",
    "a photo of {place}",
    "interior",
    "a photo of a wall",
    "empty space with {place}",
    "floor",
    "background texture",
)
_VAGUE = (
    "nice!",
    "untitled",
    "image 1",
    "dsc 0042",
    "for sale, message me",
    "look at this",
    "toys and games",
    "home and garden",
    "new in store",
    "throwback",
    "product photo",
    "thumbnail",
)


def draw_scene(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str, str]:
    """Draw a picture of things.

    Args:
        rng: Decides everything.
        height: Pixels.
        width: Pixels.

    Returns:
        uint8 (height, width, 3), its caption, and what it shows in short.
    """
    world = scenery()
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    count = {"pair": 2, "empty": 0, "several": int(rng.integers(3, 6))}.get(kind, 1)
    names: list[str] = []
    colours: list[str] = []
    things: list[Placed] = []
    spots: list[tuple[float, float]] = []
    for slot in range(count):
        name = list(CATEGORIES)[int(rng.integers(len(CATEGORIES)))]
        shape = list(CATEGORIES).index(name) * VARIANTS + int(rng.integers(VARIANTS))
        rgb_name = str(NAMES[int(rng.integers(len(NAMES)))])
        x, y = _spot(rng, slot, kind, spots)
        spots.append((x, y))
        names.append(name)
        colours.append(rgb_name)
        things.append(Placed(shape, _paint(rgb_name, rng), (x, y, 0.0), float(rng.uniform(0, 2 * np.pi))))
    around = _surroundings(rng, kind, with_table=bool(rng.random() < 0.35))
    if kind == "hand":
        lift = float(rng.uniform(0.15, 0.6))
        edge, tall = world.size_of(things[0].shape)
        things[0] = Placed(things[0].shape, things[0].colours, (0.0, 0.0, lift), things[0].yaw)
        side = float(rng.uniform(-0.3, 0.3)) * edge
        around = Surroundings(
            **{**vars(around), "hand": (side, -0.1, lift + tall * float(rng.uniform(0.1, 0.5))), "skin": _skin(rng)}
        )
    lens = _lens(rng, kind, spots, things)
    frame = world.draw(things, around, lens, (height, width))
    near = kind == "pair" and bool(math.dist(*spots) < 0.6)
    caption = _caption(rng, kind, names, colours, around, near)
    return frame, caption, f"{colours[0]} {names[0]}" if names else kind


def web_noise(caption: str, words: tuple[str, ...], rng: np.random.Generator) -> str:
    """Return a caption as it is found: one in ten is vague or another picture's; some have words around them."""
    share = rng.random()
    if share < 0.05:
        return _VAGUE[int(rng.integers(len(_VAGUE)))]
    if share < 0.1:
        return words[int(rng.integers(len(words)))]
    if share < 0.2:
        return f"{caption} {('- stock image', 'hd', '2023', 'online', 'free download')[int(rng.integers(5))]}"
    return caption


def other_words(rng: np.random.Generator) -> tuple[str, ...]:
    """Return captions of other pictures, for those that are wrong."""
    name, tint = list(CATEGORIES)[int(rng.integers(len(CATEGORIES)))], NAMES[int(rng.integers(len(NAMES)))]
    return (f"a {tint} {name}", f"{name}", f"photo of a {name}")


def _caption(
    rng: np.random.Generator, kind: str, names: list[str], colours: list[str], around: Surroundings, near: bool
) -> str:
    forms = {
        "single": _SINGLE,
        "close": _CLOSE,
        "distant": _DISTANT,
        "hand": _HAND,
        "empty": _EMPTY,
        "pair": _PAIR if near else _APART,
        "several": _APART,
    }[kind]
    ground = GROUNDS[around.ground].word
    place = "a table" if around.table else {"grass": "grass", "sandy": "sand"}.get(ground, f"a {ground} floor")
    words: dict[str, Any] = {"place": place, "colour": ""}
    for key, bare, slot in (("a", "bare", 0), ("b", "other", 1)):
        if slot < len(names):
            said = SYNONYMS.get(names[slot], (names[slot],))
            word = said[int(rng.integers(len(said)))]
            full = f"{colours[slot]} {word}" if rng.random() < 0.85 else word
            words[key], words[bare] = f"{'an' if full[0] in 'aeiou' else 'a'} {full}", full
            words["colour"] = words["colour"] or colours[slot]
    return forms[int(rng.integers(len(forms)))].format(**words)


def _spot(rng: np.random.Generator, slot: int, kind: str, spots: list[tuple[float, float]]) -> tuple[float, float]:
    if slot == 0:
        return 0.0, 0.0
    for _ in range(20):
        gap, turn = rng.uniform(0.34, 0.55), rng.uniform(0, 2 * np.pi)
        if kind == "several" or rng.random() < 0.3:
            gap = rng.uniform(0.45, 1.6)
        x, y = float(gap * np.cos(turn)), float(gap * np.sin(turn))
        if all(np.hypot(x - px, y - py) > 0.33 for px, py in spots):
            return x, y
    return 1.5 + slot, 0.5


def _lens(rng: np.random.Generator, kind: str, spots: list[tuple[float, float]], things: list[Placed]) -> Lens:
    low, high = FIELDS_OF_VIEW[int(rng.integers(2))]
    view = float(rng.uniform(low, high))
    middle = np.mean(spots, axis=0) if spots else np.zeros(2)
    lift = things[0].at[2] if things else 0.0
    # What the picture is about covers a share of it; the lens decides how far away that is.
    share = {"close": (0.62, 0.95), "distant": (0.06, 0.16), "pair": (0.3, 0.5), "several": (0.16, 0.3)}.get(
        kind, (0.25, 0.6)
    )
    distance = 0.34 / float(rng.uniform(*share)) / (2 * np.tan(np.deg2rad(view) / 2))
    distance = float(np.clip(distance, 0.5, 4.2))
    low, high = HEIGHTS[int(rng.random() < 0.35)]
    height = float(rng.uniform(low, min(high, max(low + 0.05, 1.1 * distance))))
    flat = float(np.sqrt(max(0.2, distance**2 - (height - lift) ** 2)))
    angle = rng.uniform(0, 2 * np.pi)
    eye = (float(middle[0] + flat * np.cos(angle)), float(middle[1] + flat * np.sin(angle)), height)
    aim = rng.normal(0, 0.08 * distance, 3)
    target = (float(middle[0] + aim[0]), float(middle[1] + aim[1]), float(lift + 0.14 + 0.5 * aim[2]))
    roll = float(rng.uniform(*ROLLS)) if rng.random() < 0.3 else float(rng.uniform(ROLLS[0], 0.09))
    return Lens(eye, target, view, roll if rng.random() < 0.5 else -roll)


def _surroundings(rng: np.random.Generator, kind: str, with_table: bool) -> Surroundings:
    angle, slant = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.1)
    warm = rng.uniform(0.8, 1.0, 3) * rng.uniform(0.2, 0.65)
    furniture = []
    if rng.random() < (0.75 if kind == "empty" else 0.4):
        for _ in range(int(rng.integers(1, 4))):
            turn, away = rng.uniform(0, 2 * np.pi), rng.uniform(1.9, 3.6)
            wide, deep, tall = (float(v) for v in rng.uniform((0.2, 0.2, 0.15), (0.7, 0.7, 0.7)))
            furniture.append(
                (
                    (float(away * np.cos(turn)), float(away * np.sin(turn)), tall - (0.75 if with_table else 0)),
                    (wide, deep, tall),
                    muted(rng),
                )
            )
    return Surroundings(
        ground=int(rng.integers(len(GROUNDS))),
        backdrop=int(rng.integers(len(BACKDROPS))),
        ambient=float(rng.choice([rng.uniform(0.2, 0.4), rng.uniform(0.58, 0.75)])),
        light=(float(warm[0]), float(warm[1]), float(warm[2])),
        direction=(float(slant * np.cos(angle)), float(slant * np.sin(angle)), -1.0),
        table=muted(rng) if with_table else None,
        furniture=tuple(furniture),
    )


def _paint(name: str, rng: np.random.Generator) -> tuple[Rgb, Rgb, Rgb]:
    second = muted(rng, (0.6, 1.0)) if rng.random() < 0.7 else vivid(rng)
    return colour(name, rng), second, muted(rng, (0.05, 0.4))


def _skin(rng: np.random.Generator) -> Rgb:
    tone = float(rng.uniform(0.3, 0.88))
    return tone, tone * float(rng.uniform(0.66, 0.76)), tone * float(rng.uniform(0.5, 0.6))
