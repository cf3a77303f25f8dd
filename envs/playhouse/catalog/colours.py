"""Colours a goal can name, and fixed shades of the parts that keep their own colour."""

Rgb = tuple[float, float, float]

#: Colours of goals, RGB in [0, 1]; far apart, so that dim and bright rooms do not confuse them.
COLOURS: dict[str, Rgb] = {
    "red": (0.86, 0.07, 0.07),
    "orange": (1.0, 0.47, 0.0),
    "yellow": (1.0, 0.88, 0.05),
    "green": (0.08, 0.62, 0.12),
    "cyan": (0.1, 0.83, 0.87),
    "blue": (0.08, 0.2, 0.88),
    "purple": (0.47, 0.1, 0.66),
    "pink": (1.0, 0.5, 0.74),
    "brown": (0.4, 0.21, 0.08),
    "black": (0.07, 0.07, 0.08),
    "grey": (0.5, 0.5, 0.52),
    "white": (0.97, 0.97, 0.97),
}

#: Fixed colours of secondary parts (tyres, strings, rims ...), RGB in [0, 1].
SHADES: dict[str, Rgb] = {
    "tyre": (0.13, 0.13, 0.14),
    "steel": (0.72, 0.74, 0.78),
    "glass": (0.66, 0.85, 0.95),
    "cream": (0.96, 0.91, 0.78),
    "wood": (0.66, 0.45, 0.24),
    "bark": (0.35, 0.22, 0.12),
    "gold": (0.93, 0.75, 0.25),
    "leaf": (0.24, 0.55, 0.2),
    "clay": (0.74, 0.42, 0.27),
    "beak": (0.98, 0.58, 0.1),
    "flame": (1.0, 0.72, 0.2),
    "skin": (0.93, 0.74, 0.6),
}
